"""The accuracy page says what its JSON says, and that is what the kept weights score."""

import json
import sys
from pathlib import Path

import pytest

from skinseg.cli import app

ROOT = Path(__file__).parents[1]
RESULTS = json.loads((ROOT / "docs" / "results" / "accuracy.json").read_text())
NIGHTLY = pytest.mark.nightly
# Every day one run of each network; the scores of what ships are in test_bundled_weights.py, too.
DAILY = {row["network"]: row for row in reversed(RESULTS["runs"])}.values()
CHECKED = [
    pytest.param(row, "scores", marks=() if row in DAILY else NIGHTLY)
    for row in [*RESULTS["runs"], *RESULTS["shipped"]]
]
# Four passes for each image take their time: the flips are checked for what ships.
CHECKED += [pytest.param(row, "scores_with_flips", marks=NIGHTLY) for row in RESULTS["shipped"]]


def test_the_page_is_made_of_the_json(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    for name in ("accuracy_page", "tables"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import accuracy_page

    sources = (accuracy_page.RESULTS, accuracy_page.PAPERS, accuracy_page.REFERENCES)
    made = accuracy_page.page(*(json.loads(path.read_text()) for path in sources))
    assert (ROOT / "docs" / "results" / "accuracy.md").read_text() == made


@pytest.mark.slow
@pytest.mark.parametrize(
    ("row", "scores"),
    CHECKED,
    ids=lambda value: value if isinstance(value, str) else value["model"].rpartition("/")[2],
)
def test_the_command_gives_the_figures(row, scores, shared_dir, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    monkeypatch.chdir(ROOT)
    data = shared_dir / "data" / "isic2017_256"
    options = ["--data", f"isic2017:{data}:val"]
    if row["split"] == "paper73":
        splits = data / "splits" / "paper73_test.txt"
        options = ["--data", f"isic2017:{data}:train+val", "--split-file", str(splits)]
    options += ["--model", row["model"], "--size", "own", "--gallery", "0", "--quiet"]
    options += ["--tta"] * (scores == "scores_with_flips")
    result = CliRunner().invoke(app, ["evaluate", *options, "--output", str(tmp_path)])
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "evaluation.json").read_text())
    assert found["images"] == row["images"]
    for name, expected in row[scores].items():
        for part, value in expected.items():
            # Rounding differs between processors, and with it a few pixels in ten million.
            assert found["scores"]["own"][name][part] == pytest.approx(value, abs=2e-4), name
