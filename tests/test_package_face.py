"""The package's face: lazy, complete, and with one catalog of networks."""

import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

import skinseg

ROOT = Path(__file__).parents[1]


def loaded(code):
    """Names of the modules that a fresh process has loaded after ``code``."""
    script = f"{code}; import sys, json; print(json.dumps(sorted(sys.modules)))"
    printed = subprocess.check_output([sys.executable, "-c", script], text=True)
    return set(json.loads(printed.splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        "import skinseg",
        "import skinseg.cli",
        "import skinseg; skinseg.list_models(); skinseg.list_pretrained()",
        "import skinseg; skinseg.get_pretrained_cfg('egeunet')",
    ],
)
def test_names_need_no_torch(code):
    assert not {"torch", "numpy", "huggingface_hub"} & loaded(code)


def test_commands_name_only_what_the_package_offers():
    """What another import has loaded is an attribute, too, and is none in a fresh process."""
    files = Path(skinseg.__file__).with_name("cli").glob("*.py")
    used = {
        node.attr
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "skinseg"
    }
    assert "convert_checkpoint" in used
    assert used <= set(skinseg.__all__)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["train", "--help"], ["serve", "--help"], ["list", "--plain"]]
)
def test_help_needs_no_torch(arguments):
    code = (
        "from typer.testing import CliRunner; from skinseg.cli import app; "
        f"assert CliRunner().invoke(app, {arguments}).exit_code == 0"
    )
    assert not {"torch", "numpy", "huggingface_hub"} & loaded(code)


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("skinseg train --model mal", "malunet.isic2017"),
        ("skinseg predict --model egeunet.", "egeunet.isic2017"),
        ("skinseg train --recipe paper-", "paper-lmsaunet"),
        ("skinseg info malu", "malunet"),
        ("skinseg push ", "egeunet.isic2017"),
    ],
)
def test_completion_needs_no_torch(line, offered):
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    code = (
        "from typer.testing import CliRunner; from skinseg.cli import app; "
        f"env = {asked | {'_SKINSEG_COMPLETE': 'complete_bash'}}; "
        "offered = CliRunner().invoke(app, [], prog_name='skinseg', env=env).output.split(); "
        f"assert {offered!r} in offered, offered"
    )
    assert not {"torch", "numpy", "huggingface_hub"} & loaded(code)


@pytest.mark.parametrize(
    "code",
    [
        "import skinseg.inference.predictor",
        "from skinseg.data import ImageError, Normalization, RunLengths, read_image, write_png",
        "from skinseg.runtimes import Runtime",
        "import numpy as np; from skinseg import Prediction; "
        "p = Prediction.from_logits(np.ones((1, 8, 8), 'f'), (50, 50), 0.5); "
        "p.mask, p.probability, p.components, p.confidence",
        "import numpy as np; from skinseg.data import Normalization; "
        "Normalization()(np.zeros((1, 3, 8, 8), 'f'))",
    ],
)
def test_what_is_around_a_network_needs_no_torch(code):
    assert not {"torch", "scipy"} & loaded(code)


def test_one_network_loads_one_family():
    families = {"skinseg.models.egeunet", "skinseg.models.malunet", "skinseg.models.segnet"}
    code = "import skinseg; skinseg.create_model('malunet')"
    assert families & loaded(code) == {"skinseg.models.malunet"}


@pytest.mark.parametrize("name", skinseg.__all__)
def test_every_public_name_is_there(name):
    assert getattr(skinseg, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="No skinseg attribute create_modle"):
        skinseg.create_modle  # noqa: B018


def test_the_catalog_is_that_of_the_code():
    path = ROOT / "benchmarks" / "costs" / "catalog.py"
    spec = importlib.util.spec_from_file_location("catalog", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.catalog() == skinseg.models.CATALOG, "run `make catalog`"
