"""Benchmarks: pages are made from recorded figures; scripts start; READMEs name what is there."""

import importlib
import multiprocessing
import os
import re
import runpy
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from benchmarks import pages
from benchmarks.results import FOLDER, ROOT

BENCHMARKS = ROOT / "benchmarks"
SCRIPTS = sorted(BENCHMARKS.rglob("*.py"))
FOLDERS = sorted({script.parent for script in SCRIPTS} - {BENCHMARKS})
# These two count at once, without options.
COMMANDS = [
    script
    for script in SCRIPTS
    if "argparse" in script.read_text() and script.name not in ("paper_tables.py", "ecdf_hosts.py")
]
NAMING = [ROOT / "Makefile", ROOT / "README.md", *ROOT.glob("docs/*.py"), *SCRIPTS]
NAMING += [*ROOT.glob("docs/**/*.md"), *BENCHMARKS.rglob("*.md")]
PATH = re.compile(r"\bbenchmarks/[\w/]+\.(?:py|json|md)\b")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("name", pages.PAGES)
def test_pages_are_made_from_the_recorded_figures(name):
    assert pages.render(name) == (FOLDER / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("script", SCRIPTS, ids=relative)
def test_scripts_can_be_imported(script):
    if script.name in ("teachers.py", "teacher_network.py"):
        pytest.importorskip("efficientnet_lite_pytorch")
    importlib.import_module(relative(script.with_suffix("")).replace("/", "."))


@pytest.fixture(scope="module")
def processes():
    """Makes processes that have loaded torch already, which takes most of a script's start."""
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    context.set_forkserver_preload(["torch"])
    return context


def start(script: Path, output: Path) -> None:
    """Do what ``python script --help`` does, in a process of its own."""
    os.chdir(ROOT)
    sys.argv = [relative(script), "--help"]
    sys.path[0] = str(script.parent)
    with output.open("w") as file, redirect_stdout(file):
        runpy.run_path(str(script), run_name="__main__")


@pytest.mark.slow
@pytest.mark.parametrize("script", COMMANDS, ids=relative)
def test_scripts_start_as_files(script, processes, tmp_path):
    if script.name == "teachers.py":
        pytest.importorskip("efficientnet_lite_pytorch")
    process = processes.Process(target=start, args=(script, tmp_path / "output"))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert (tmp_path / "output").read_text().startswith("usage:")


@pytest.mark.parametrize("folder", FOLDERS, ids=relative)
def test_each_folder_has_a_readme_that_names_its_files(folder):
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert f"({folder.name}/README.md)" in (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    for script in folder.glob("*.py"):
        assert script.name in text, script.name


@pytest.mark.parametrize("file", NAMING, ids=relative)
def test_named_paths_exist(file):
    text = file.read_text(encoding="utf-8")
    for path in PATH.findall(text):
        assert (ROOT / path).is_file(), path
    if file.suffix == ".md":
        for target in LINK.findall(text):
            assert (file.parent / target).exists(), target
