"""The types that a user's editor and type checker see."""

from pathlib import Path

import pytest
import typed_user_script
from mypy import api

ROOT = Path(__file__).parents[1]

MISTAKES = """
import torch
import skinseg

x = torch.rand(1, 3, 64, 64)
skinseg.create_model("malunet")(x, return_aux=True).shape  # a tuple
skinseg.create_model("malunet", out_indices=(0, 1))  # without features_only
skinseg.create_model("malunet", features_only=True)(x, return_aux=True)  # a pyramid has none
skinseg.create_model("malunet")(x, aux=True)  # no such argument
skinseg.Predictor(3)
skinseg.Predictor("egeunet")(["a.jpg", "b.jpg"]).mask  # a list
"""


@pytest.fixture(scope="module")
def complaints(tmp_path_factory):
    """What mypy says of the script, and of one whose every statement on skinseg is a mistake."""
    script = Path(typed_user_script.__file__)
    mistakes = tmp_path_factory.mktemp("types") / "mistakes.py"
    mistakes.write_text(MISTAKES)
    # The options of `make types`, so that its cache is used.
    options = [
        "--config-file",
        str(ROOT / "pyproject.toml"),
        "--cache-dir",
        str(ROOT / ".mypy_cache"),
    ]
    out, error, _ = api.run([*options, "--no-error-summary", str(script), str(mistakes)])
    assert not error, error
    lines = [line for line in out.splitlines() if ": error:" in line]
    return {
        path.name: [line for line in lines if path.name in line.partition(":")[0]]
        for path in (script, mistakes)
    }


def test_a_typed_script_passes(complaints):
    assert complaints["typed_user_script.py"] == []


def test_mistakes_are_found(complaints):
    found = {int(line.split(":")[1]) for line in complaints["mistakes.py"]}
    wrong = {
        number
        for number, line in enumerate(MISTAKES.splitlines(), 1)
        if line.startswith("skinseg.")
    }
    assert found == wrong


def test_the_typed_script_runs(tmp_path):
    typed_user_script.main(tmp_path)
