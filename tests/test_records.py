"""Whatever reads weight records takes each record that the package itself writes."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from typer.testing import CliRunner

import skinseg
from skinseg import hub
from skinseg.cli import app
from skinseg.data import SyntheticDermoscopy
from skinseg.training import Recipe, train

ROOT = Path(__file__).parents[1]
# A network without bundled weights, so that the user's are its only ones.
ARCH = "lmsaunet_n8"
NAME = f"{ARCH}.mine"


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def trained_on_the_command_line(folder: Path) -> Path:
    run("synth", folder / "data", "--count", 8, "--size", 32)
    settings = ["--model", ARCH, "--size", 32, "--epochs", 1, "--from-scratch", "--quiet"]
    run("train", "--data", folder / "data", "--output", folder / "run", *settings)
    return folder / "run"


def trained_without_validation(folder: Path) -> Path:
    recipe = Recipe(epochs=1, size=32, keep="last")
    network = skinseg.create_model(ARCH)
    train(network, SyntheticDermoscopy(4, size=32), None, folder, recipe, progress=False)
    return folder


def saved(folder: Path) -> Path:
    skinseg.create_model(ARCH).save_pretrained(folder)
    return folder


def converted(folder: Path, shared_dir: Path) -> Path:
    tensors = load_file(shared_dir / "parity" / "lmsaunet_n8.safetensors")
    authors = {k.removeprefix("weights."): v for k, v in tensors.items() if "weights." in k}
    torch.save(authors, folder / "best.pth")
    skinseg.convert_checkpoint(folder / "best.pth", folder / "out")
    return folder / "out"


@pytest.fixture(
    scope="module",
    params=[trained_on_the_command_line, trained_without_validation, saved, converted],
    ids=lambda make: make.__name__,
)
def weights(request, tmp_path_factory):
    """A folder of the user's with ``lmsaunet_n8.mine``, as the package wrote it elsewhere."""
    folder = tmp_path_factory.mktemp("weights")
    shared = [request.getfixturevalue("shared_dir")] if request.param is converted else []
    made = request.param(tmp_path_factory.mktemp("made"), *shared)
    shutil.copyfile(made / hub.CONFIG_NAME, folder / f"{NAME}.json")
    shutil.copyfile(made / hub.WEIGHTS_NAME, folder / f"{NAME}.safetensors")
    return folder


@pytest.fixture(autouse=True)
def users_folder(weights, monkeypatch):
    monkeypatch.setenv("SKINSEG_WEIGHTS", str(weights))


@pytest.fixture
def docs(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    for name in ("accuracy_page", "tables"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import accuracy_page
    import tables

    return tables, accuracy_page


def test_the_name_of_the_file_is_that_of_the_weights():
    assert skinseg.get_pretrained_cfg(NAME).name == NAME
    assert NAME in skinseg.list_pretrained()
    skinseg.create_model(NAME, pretrained=True)


def test_the_predictor():
    record = skinseg.get_pretrained_cfg(NAME)
    predictor = skinseg.Predictor(NAME)
    assert predictor.input_size == record.input_size[1:]
    assert predictor(skinseg.data.synthetic_lesion(0, 64)[0]).mask.shape == (64, 64)


def test_the_tables_of_the_docs(docs):
    tables, _ = docs
    [row] = [row for row in tables.weights().splitlines() if NAME in row]
    # The table has the networks with weights alone, and the sentence the others.
    [network] = [row for row in tables.networks().splitlines() if f"`{ARCH}`" in row]
    assert f"`{NAME}`" in network
    assert f"`{ARCH}`" not in tables.without_weights()
    columns = [cell.strip() for cell in row.strip("|").split("|")]
    # Nobody has measured them on the official validation images.
    assert columns[2:5] == ["", "", ""]
    assert all(cell.strip() == "" for cell in network.strip("|").split("|")[4:])
    recipe = skinseg.get_pretrained_cfg(NAME).recipe
    assert columns[6] == ("epoch 1 of 1, seed 0" if recipe else "not recorded")
    assert columns[7] == "not recorded"


def test_the_accuracy_page(docs):
    _, accuracy_page = docs
    results = json.loads(accuracy_page.RESULTS.read_text())
    entry = {**results["shipped"][0], "recipe": skinseg.get_pretrained_cfg(NAME).recipe}
    row = accuracy_page.row(entry, NAME, entry["recipe"])
    assert len(row) == len(accuracy_page.HEAD) + 1
    assert row[0] == NAME and row[-1] == row[-2] == "not recorded"


def test_list(monkeypatch):
    terminal = Console(force_terminal=True, width=120, color_system=None, record=True)
    for module in ("models", "tables"):
        monkeypatch.setattr(f"skinseg.cli.{module}.stdout", terminal)
    run("list", f"{ARCH}*")
    [row] = [row for row in terminal.export_text().splitlines() if f" {ARCH} " in row]
    assert "mine" in row


def test_info():
    facts = json.loads(run("info", NAME, "--size", 32, "--json"))
    assert facts["name"] == facts["weights"]["architecture"] + ".mine"
    assert NAME in run("info", NAME, "--size", 32)


def test_the_model_card():
    card = hub.model_card(skinseg.get_pretrained_cfg(NAME), f"hf-hub:me/{NAME}")
    assert f"# {NAME}" in card
