"""The whole way of somebody new, as `benchmarks/first_hour` goes it, and what makes it fail."""

import os
from pathlib import Path

import pytest

from benchmarks.first_hour.files import unsound
from benchmarks.first_hour.first_hour import CHAPTERS, walk
from benchmarks.first_hour.terminal import Terminal, Unexpected

pytestmark = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's /proc")


@pytest.mark.slow
@pytest.mark.minutes
def test_the_first_hour(tmp_path):
    steps = walk(tmp_path).steps
    assert {step.chapter for step in steps} == {name for name, _ in CHAPTERS}
    assert sum(step.status == 130 for step in steps) >= 5
    assert all(any(step.said) for step in steps if step.status)


@pytest.mark.parametrize(
    ("expected", "problem"),
    [
        ({"status": 1}, "status 0, not 1"),
        ({"says": ["networks"]}, "not said: networks"),
        ({"says": ["malunet"], "only": True}, "said, too: "),
    ],
)
def test_a_terminal_notices(tmp_path, expected, problem):
    with pytest.raises(Unexpected, match=problem):
        Terminal(tmp_path).run("list", "malu*", **expected)


def test_a_terminal_notices_what_python_prints(tmp_path):
    (tmp_path / "typer.py").write_text("raise RuntimeError\n")
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[1])])
    with pytest.raises(Unexpected, match="printed: Traceback"):
        Terminal(tmp_path, {"PYTHONPATH": path}).run("list", status=1)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        (".1f.tmp", b"", "left behind"),
        ("a.png", b"\x89PNG", "not whole: a.png"),
        ("a.json", b'{"a": ', "not whole: a.json"),
        ("a.csv", b"a,b\n1", "not whole: a.csv"),
        ("a.safetensors", b"12345678", "not whole: a.safetensors"),
        ("a.html", b"<html>", "not whole: a.html"),
    ],
)
def test_files_that_are_cut_are_noticed(tmp_path, name, content, problem):
    (tmp_path / "whole.json").write_text("{}")
    assert unsound(tmp_path) == []
    (tmp_path / name).write_bytes(content)
    [found] = unsound(tmp_path)
    assert found.startswith(problem)
