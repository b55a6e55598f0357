"""The deliberate faults of tests/faults can be applied, and their page is that of their results."""

import ast
import re
from pathlib import Path

import pytest
from faults import report
from faults.catalog import FAULTS

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_each_fault_can_be_applied(fault):
    before = (ROOT / fault.file).read_text(encoding="utf-8")
    assert before.count(fault.text) == 1, f"its text is no longer in {fault.file} exactly once"
    ast.parse(before.replace(fault.text, fault.replacement))
    for test in (*fault.fast, *fault.slow):
        file, _, name = test.partition("::")
        text = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {name}", text, re.MULTILINE) or not name, test


def test_each_fault_is_named_once():
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_every_room_has_faults():
    package = ROOT / "skinseg"
    rooms = {path.name for path in package.iterdir() if (path / "__init__.py").is_file()}
    assert rooms <= {fault.room for fault in FAULTS}


def test_the_page_is_made_from_the_results():
    page = report.RESULT.with_suffix(".md").read_text(encoding="utf-8")
    assert report.page(report.read()) == page
