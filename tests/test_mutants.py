"""The mutants of tests/mutants can be applied, and their page is that of their results."""

import ast
import re
from pathlib import Path

import pytest
from mutants import report
from mutants.catalog import MUTANTS

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_mutant_can_be_applied(mutant):
    before = (ROOT / mutant.file).read_text(encoding="utf-8")
    assert before.count(mutant.text) == 1, f"its text is no longer in {mutant.file} exactly once"
    ast.parse(before.replace(mutant.text, mutant.replacement))
    for test in (*mutant.fast, *mutant.slow):
        file, _, name = test.partition("::")
        text = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {name}", text, re.MULTILINE) or not name, test


def test_each_mutant_is_named_once():
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def test_every_room_has_mutants():
    package = ROOT / "skinseg"
    rooms = {path.name for path in package.iterdir() if (path / "__init__.py").is_file()}
    assert rooms <= {mutant.room for mutant in MUTANTS}


def test_the_page_is_made_from_the_results():
    page = report.RESULT.with_suffix(".md").read_text(encoding="utf-8")
    assert report.page(report.read()) == page
