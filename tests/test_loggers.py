"""What a run tells TensorBoard and Weights & Biases, here stand-ins that note what they get."""

import json
import sys
from types import ModuleType

import pytest
from typer.testing import CliRunner

import skinseg
from skinseg.cli import app
from skinseg.data import SyntheticDermoscopy
from skinseg.errors import MissingPackageError
from skinseg.training import Recipe, TensorBoardLogger, WandbLogger, get_logger, train


class Noting:
    """Notes every call that is made to it or to what it returns."""

    def __init__(self, calls):
        self.calls = calls

    def __getattr__(self, name):
        def noted(*arguments, **options):
            self.calls.append((name, arguments, options))
            return self

        return noted


@pytest.fixture
def calls(monkeypatch):
    """The calls of both loggers."""
    noted = []
    tensorboard, wandb = ModuleType("torch.utils.tensorboard"), ModuleType("wandb")
    tensorboard.SummaryWriter = Noting(noted).SummaryWriter
    wandb.init = Noting(noted).init
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", tensorboard)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    return noted


def named(calls, name):
    return [(arguments, options) for called, arguments, options in calls if called == name]


def a_run(folder, epochs, **options):
    lesions = SyntheticDermoscopy(8, size=32)
    network = skinseg.create_model("basic_unet", channels=(4, 4, 8, 8, 8, 8))
    parts = lesions.subset(lesions.ids[:6]), lesions.subset(lesions.ids[6:])
    recipe = Recipe(epochs=epochs, size=32, batch_size=4)
    return train(network, *parts, folder, recipe, progress=False, **options)


def test_tensorboard_gets_each_figure_at_its_epoch(tmp_path, calls):
    log = a_run(tmp_path, 2, callbacks=[TensorBoardLogger()])
    [(_, opened)] = named(calls, "SummaryWriter")
    assert opened == {"log_dir": str(tmp_path / "tensorboard"), "purge_step": 1}
    scalars = [arguments for arguments, _ in named(calls, "add_scalar")]
    for entry in log:
        assert ("loss", entry["loss"], entry["epoch"]) in scalars
        iou = entry["validation"]["pooled_iou"]
        assert ("validation/pooled_iou", iou, entry["epoch"]) in scalars
    assert len(named(calls, "close")) == 1
    calls.clear()
    a_run(tmp_path, 2, callbacks=[TensorBoardLogger()], resume=True)
    assert named(calls, "SummaryWriter")[0][1]["purge_step"] == 3
    assert not named(calls, "add_text")


def test_wandb_goes_on_with_its_run(tmp_path, calls):
    log = a_run(tmp_path, 1, callbacks=[WandbLogger()])
    [(_, begun)] = named(calls, "init")
    assert begun["config"]["recipe"]["epochs"] == 1
    assert (begun["name"], begun["resume"]) == (tmp_path.name, "allow")
    [((sent,), options)] = named(calls, "log")
    assert (sent["loss"], options) == (log[0]["loss"], {"step": 1})
    assert named(calls, "finish")
    calls.clear()
    a_run(tmp_path, 1, callbacks=[WandbLogger()], resume=True)
    assert named(calls, "init")[0][1]["id"] == begun["id"]


def test_loggers_of_the_command_line(tmp_path, calls):
    run = CliRunner().invoke
    assert run(app, ["synth", str(tmp_path / "d"), "--count", "8", "--size", "40"]).exit_code == 0
    small = ["--model", "basic_unet_sab", "--size", "32", "--epochs", "1", "-q"]
    both = ["--logger", "tensorboard", "--logger", "wandb"]
    command = ["train", "--data", str(tmp_path / "d"), "--output", str(tmp_path / "run"), *small]
    result = run(app, [*command, *both])
    assert result.exit_code == 0, result.output
    assert len(named(calls, "init")) == len(named(calls, "finish")) == 1
    assert json.loads((tmp_path / "run/wandb.json").read_text())["id"]


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_logger_that_is_not_installed_is_told_before_anything_runs(tmp_path, monkeypatch, name):
    module = {"tensorboard": "torch.utils.tensorboard", "wandb": "wandb"}[name]
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingPackageError, match=f"pip install {name}"):
        get_logger(name)
    command = ["train", "--data", "d", "--output", str(tmp_path / "run"), "--logger", name]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert f"pip install {name}" in " ".join(result.stderr.split())
    assert not (tmp_path / "run").exists()


def test_an_unknown_logger_is_refused():
    with pytest.raises(ValueError, match="no logger 'tensorbord'; did you mean tensorboard"):
        get_logger("tensorbord")
