"""The trainer on synthetic lesions: it learns, resumes exactly, and refuses what cannot work."""

import json

import pytest
import torch

import skinseg
from skinseg.data import SyntheticDermoscopy
from skinseg.training import MemoryDataset, Recipe, train, validate

SMALL = {"size": 48, "batch_size": 4}


def network(name="basic_unet"):
    torch.manual_seed(0)
    return skinseg.create_model(name, channels=(4, 4, 8, 8, 8, 8))


@pytest.fixture(scope="module")
def lesions():
    """12 training and 4 validation images."""
    dataset = SyntheticDermoscopy(16, size=48, seed=5)
    return dataset.subset(dataset.ids[:12]), dataset.subset(dataset.ids[12:])


def run(lesions, folder, *, name="basic_unet", **settings):
    recipe = Recipe(**{**SMALL, "epochs": 2, **settings})
    model = network(name)
    return model, train(model, *lesions, folder, recipe, progress=False)


@pytest.mark.parametrize("name", ["basic_unet", "egeunet"])
def test_it_learns(lesions, tmp_path, name):
    model, log = run(lesions, tmp_path, name=name, epochs=12, learning_rate=1e-2)
    assert log[-1]["loss"] < 0.7 * log[0]["loss"]
    assert json.loads((tmp_path / "log.json").read_text()) == log
    best = max(entry["validation"]["pooled_iou"] for entry in log)
    data = MemoryDataset(lesions[1], 48, progress=False)
    loaded = skinseg.create_model(f"local-dir:{tmp_path}")
    for trained in (model, loaded):
        assert validate(trained, data, Recipe().normalization).pooled_iou == pytest.approx(best)
    assert loaded.pretrained_cfg.metrics[0]["pooled_iou"] == best
    assert loaded.pretrained_cfg.input_size == (3, 48, 48)


def test_a_resumed_run_is_the_uninterrupted_run(lesions, tmp_path, monkeypatch):
    settings = {"epochs": 3, "small_size": 32, "small_epochs": 1, "ema_decay": 0.9}
    whole, _ = run(lesions, tmp_path / "whole", **settings)

    from skinseg.training.trainer import Trainer

    learn, steps = Trainer._learn, []

    def dies_in_the_second_epoch(self, *batch):
        steps.append(1)
        if len(steps) == 5:
            raise KeyboardInterrupt
        return learn(self, *batch)

    monkeypatch.setattr(Trainer, "_learn", dies_in_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        run(lesions, tmp_path / "cut", **settings)
    monkeypatch.undo()
    recipe = Recipe(**{**SMALL, **settings})
    resumed = network()
    log = train(resumed, *lesions, tmp_path / "cut", recipe, resume=True, progress=False)
    assert [entry["epoch"] for entry in log] == [1, 2, 3]
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key


def test_the_seed_decides(lesions, tmp_path):
    logs = [run(lesions, tmp_path / str(i), seed=seed)[1] for i, seed in enumerate((1, 1, 2))]
    losses = [[entry["loss"] for entry in log] for log in logs]
    assert losses[0] == losses[1] != losses[2]


def test_learning_rate_falls_along_a_cosine():
    recipe = Recipe()
    assert recipe.learning_rate_at(0) == recipe.learning_rate
    assert recipe.learning_rate_at(1) == pytest.approx(recipe.final_learning_rate)
    assert recipe.learning_rate_at(0.5) == pytest.approx(
        (recipe.learning_rate + recipe.final_learning_rate) / 2
    )


def test_a_used_folder_is_not_overwritten(lesions, tmp_path):
    run(lesions, tmp_path, epochs=1)
    with pytest.raises(FileExistsError, match="holds a training run already"):
        run(lesions, tmp_path, epochs=1)
    with pytest.raises(ValueError, match="trained with another epochs"):
        recipe = Recipe(**SMALL, epochs=2)
        train(network(), *lesions, tmp_path, recipe, resume=True, progress=False)


def test_what_cannot_be_trained(lesions, tmp_path):
    train_set, val_set = lesions
    two = skinseg.create_model("basic_unet", num_classes=2)
    with pytest.raises(ValueError, match="num_classes=1"):
        train(two, train_set, val_set, tmp_path)
    with pytest.raises(ValueError, match="no registered name"):
        train(skinseg.models.BasicUNet(), train_set, val_set, tmp_path)
    with pytest.raises(ValueError, match="12 images are both"):
        train(network(), train_set, train_set, tmp_path)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"size": 16}, "size must be at least 32"),
        ({"size": 256, "small_size": 64, "small_epochs": 1}, "small_size must be from 128 to 256"),
        ({"learning_rate": 0}, "learning_rate must be above 0"),
        ({"flip": 2}, r"flip must be in 0..1"),
    ],
)
def test_impossible_recipes(settings, says):
    with pytest.raises(ValueError, match=says):
        Recipe(**settings)
