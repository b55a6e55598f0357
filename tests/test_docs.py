"""The pages are true: their Python runs, their tables are those of the code."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
THIRD_PARTIES = {"lightning", "monai", "segmentation_models_pytorch", "timm", "torchvision"}
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def needs_third_parties(page):
    code = "".join(BLOCK.findall(page.read_text(encoding="utf-8")))
    return re.search(rf"^ *(import|from) ({'|'.join(THIRD_PARTIES)})\b", code, re.MULTILINE)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.hosts if needs_third_parties(page) else ())
        for page in PAGES
    ],
    ids=lambda page: page.name,
)
def test_python_blocks_run_in_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for code in BLOCK.findall(page.read_text(encoding="utf-8")):
        try:
            exec(compile(code, str(page), "exec"), names)
        except ModuleNotFoundError as error:
            if error.name not in THIRD_PARTIES:
                raise
            pytest.skip(f"the rest of {page.name} needs {error.name}, which is not installed")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_tables_are_up_to_date():
    command = [sys.executable, str(ROOT / "docs" / "tables.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_tests_that_hold_conventions_exist():
    page = (ROOT / "docs/conventions.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+\.py)(?:::(test_\w+))?`", page)
    assert named
    for file, test in named:
        text = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert not test or f"def {test}(" in text, test
