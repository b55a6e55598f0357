"""Settings reach what they set, and files are written whole: the wiring between the parts."""

import dataclasses
import json
import os

import pytest
import torch
from safetensors.torch import load_file
from small_training import SMALL, network, run

import skinseg
from skinseg.data import Augmentation, Normalization
from skinseg.training import MemoryDataset, Recipe, train
from skinseg.training import step as step_module
from skinseg.training.distributed import Distributed
from skinseg.training.layout import memory_format
from skinseg.training.step import Step
from skinseg.training.trainer import Trainer

# What a run of two epochs must do differently where one setting differs. `epochs`, `keep`,
# `select_on_test`, `early_stop` and `soft_weight` have tests of their own in test_training.py.
OTHER = {
    "size": 64,
    "batch_size": 3,
    "accumulate": 2,
    "optimizer": "muon",
    "learning_rate": 2e-3,
    "final_learning_rate": 5e-4,
    "weight_decay": 0.3,
    "warmup": 0.5,
    "cosine_epochs": 1,
    "loss": "ce_iou",
    "dice_per_image": False,
    "aux_weights": (0.0, 0.0, 0.0, 0.0, 0.9),
    "augmentation": Augmentation(rotate=0.0, flip=0.0),
    "normalization": Normalization(kind="mean_std", mean=(0.5,) * 3, std=(0.2,) * 3),
    "small_scale": 0.75,
    "ema_decay": 0.5,
    "precision": "bfloat16",
    "seed": 1,
}
# Settings that only have an effect beside another one.
BESIDE = {"small_scale": {"small_fraction": 1.0}, "small_fraction": {"small_scale": 0.75}}
OTHER["small_fraction"] = 1.0
TESTED_ELSEWHERE = {"epochs", "keep", "select_on_test", "early_stop", "soft_weight"}
# How weights lie in memory changes nothing but rounding; it is looked at below.
TESTED_ELSEWHERE.add("channels_last")


@pytest.fixture(scope="module")
def plain(lesions, tmp_path_factory):
    return run(lesions, tmp_path_factory.mktemp("plain"), name="egeunet")[0].state_dict()


def test_every_setting_has_its_test():
    assert {field.name for field in dataclasses.fields(Recipe)} == OTHER.keys() | TESTED_ELSEWHERE


@pytest.mark.parametrize("name", OTHER)
def test_each_setting_changes_what_is_learned(name, lesions, plain, tmp_path):
    if name == "accumulate":  # Two parts give the step of the whole batch, Dice of images included.
        calls = []
        model = network()
        model.register_forward_pre_hook(lambda module, args: calls.append(len(args[0])))
        recipe = Recipe(**SMALL, epochs=1, accumulate=2, keep="last")
        train(model, lesions[0], None, tmp_path, recipe, progress=False)
        assert set(calls) == {2}
        return
    settings = {name: OTHER[name], **BESIDE.get(name, {})}
    other = run(lesions, tmp_path, name="egeunet", **settings)[0].state_dict()
    assert any(not torch.equal(value, other[key]) for key, value in plain.items())
    written = json.loads((tmp_path / "recipe.json").read_text())["recipe"]
    assert Recipe.from_dict(written) == Recipe(**{**SMALL, "epochs": 2, **settings})


def test_the_schedule_is_that_of_the_recipe(lesions, tmp_path, monkeypatch):
    seen = []

    class Watched(torch.optim.AdamW):
        def step(self, *args, **kwargs):
            [group] = self.param_groups
            seen.append((group["lr"], group["weight_decay"]))
            return super().step(*args, **kwargs)

    monkeypatch.setattr(torch.optim, "AdamW", Watched)
    recipe = Recipe(**SMALL, epochs=3, warmup=0.3, weight_decay=0.07)
    train(network(), *lesions, tmp_path, recipe, progress=False)
    expected = [recipe.learning_rate_at(n / 9) for n in range(9)]
    assert [rate for rate, _ in seen] == pytest.approx(expected)
    assert {decay for _, decay in seen} == {0.07}


def test_averaged_weights_are_validated_and_kept(lesions, tmp_path, monkeypatch):
    validated = []
    score = skinseg.training.validate

    def watched(model, *args, **kwargs):
        validated.append({key: value.clone() for key, value in model.state_dict().items()})
        return score(model, *args, **kwargs)

    monkeypatch.setattr("skinseg.training.trainer.validate", watched)
    recipe = Recipe(**SMALL, epochs=1, ema_decay=0.9)
    train(network(), *lesions, tmp_path, recipe, progress=False)
    kept = load_file(tmp_path / "model.safetensors")
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"]
    raw, average = state["model_state_dict"], state["average"]["module"]
    assert all(torch.equal(kept[key], average[key]) for key in kept)
    assert all(torch.equal(kept[key], validated[0][key]) for key in kept)
    assert any(not torch.equal(kept[key], raw[key]) for key in kept)


def test_every_epoch_has_another_order(lesions):
    recipe = Recipe(**SMALL)
    trainer = Trainer(network(), recipe, "cpu")
    data = MemoryDataset(lesions[0], 48, progress=False)

    def masks(epoch):
        recipe_parts = (part for batch in trainer._batches(data, epoch) for part in batch)
        return torch.cat([part.target.sum((1, 2, 3)) for part in recipe_parts])

    assert torch.equal(masks(0), masks(0))
    assert not torch.equal(masks(0), masks(1))


def test_channels_last_is_trained(lesions):
    for channels_last in (None, True, False):
        trainer = Trainer(network(), Recipe(**SMALL, channels_last=channels_last), "cpu")
        data = MemoryDataset(lesions[0], 48, progress=False)
        [part] = next(trainer._batches(data, 0))
        layout, expected = torch.channels_last, channels_last is not False
        assert part.x.is_contiguous(memory_format=layout) == expected
        weight = trainer.model.encoder.stages[1].block.weight
        assert weight.is_contiguous(memory_format=layout) == expected


def test_a_trained_network_is_in_the_default_layout(lesions, tmp_path):
    model = network()
    train(model, *lesions, tmp_path, Recipe(**SMALL, epochs=1, channels_last=True), progress=False)
    assert all(weight.is_contiguous() for weight in model.parameters())


def test_channels_last_is_not_chosen_where_onednn_would_write_outside_its_memory():
    cpu = torch.device("cpu")
    strided = [torch.nn.Conv2d(width, 8, 1, stride=2) for width in (8, 16)]
    chosen = [memory_format(torch.nn.Sequential(conv), cpu, None) for conv in strided]
    assert chosen == [torch.contiguous_format, torch.channels_last]
    assert memory_format(strided[0], cpu, channels_last=True) == torch.channels_last
    assert memory_format(strided[1], torch.device("cuda"), None) == torch.contiguous_format
    for name in skinseg.list_models():
        with torch.device("meta"):
            model = skinseg.create_model(name)
        assert memory_format(model, cpu, None) == torch.channels_last, name


@pytest.mark.parametrize(
    ("name", "layout"), [("unext", torch.contiguous_format), ("unet", torch.channels_last)]
)
def test_large_networks_learn_channels_last_on_a_gpu(name, layout):
    with torch.device("meta"):
        model = skinseg.create_model(name)
    assert memory_format(model, torch.device("cuda"), None) == layout
    assert memory_format(model, torch.device("mps"), None) == torch.contiguous_format
    assert memory_format(model, torch.device("cuda"), channels_last=False) != torch.channels_last


@pytest.mark.parametrize(("name", "count"), [("egeunet", 5), ("mkunet_t", 3)])
def test_auxiliary_weights_reach_the_loss(name, count, monkeypatch):
    given = []

    def watched(logits, aux, target, weights, **options):
        given.append((len(aux), weights, options["kind"], options["per_image"]))
        return logits.mean()

    monkeypatch.setattr(step_module, "deep_supervision_loss", watched)
    weights = (0.1, 0.2, 0.3, 0.4, 0.5)
    recipe = Recipe(**SMALL, aux_weights=weights, loss="ce_iou", dice_per_image=False)
    step = Step(skinseg.create_model(name), recipe, Distributed(torch.device("cpu")))
    step.plain(torch.randn(2, 3, 48, 48), torch.zeros(2, 1, 48, 48))
    assert given == [(count, weights[-count:], "ce_iou", False)]


def test_the_record_prepares_images_as_training_did(lesions, tmp_path):
    normalization = Normalization(kind="mean_std", mean=(0.5,) * 3, std=(0.2,) * 3)
    run(lesions, tmp_path, normalization=normalization)
    predictor = skinseg.Predictor(f"local-dir:{tmp_path}")
    assert predictor.normalization == normalization
    assert predictor.input_size == (48, 48)


def test_a_network_in_dataparallel_is_trained_as_without_it(lesions, tmp_path):
    trained, _ = run(lesions, tmp_path / "plain", name="egeunet", epochs=1)
    expected = trained.state_dict()
    wrapped = torch.nn.DataParallel(network("egeunet"))
    train(wrapped, *lesions, tmp_path / "run", Recipe(**SMALL, epochs=1), progress=False)
    again = skinseg.create_model(f"local-dir:{tmp_path / 'run'}")
    for name, value in expected.items():
        assert torch.equal(wrapped.state_dict()[f"module.{name}"], value)
        assert torch.equal(again.state_dict()[name], value)
    assert again.pretrained_cfg.architecture == "egeunet"


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "log.json", "checkpoint.pt"])
def test_a_killed_run_never_leaves_a_broken_file(file, lesions, tmp_path, monkeypatch):
    run(lesions, tmp_path, epochs=1)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    rename = os.replace

    def fail(source, target):
        if os.path.basename(target) == file:
            raise OSError("killed")
        return rename(source, target)

    monkeypatch.setattr("os.replace", fail)
    (tmp_path / "checkpoint.pt").unlink()
    with pytest.raises(OSError, match="killed"):
        run(lesions, tmp_path, epochs=1, seed=3)
    left = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert left.keys() <= before.keys(), "a temporary file was left"
    if file != "checkpoint.pt":
        assert left[file] == before[file]


def test_a_checkpoint_is_written_after_the_weights_that_it_speaks_of(
    lesions, tmp_path, monkeypatch
):
    order = []
    rename = os.replace

    def watched(source, target):
        order.append(os.path.basename(target))
        return rename(source, target)

    monkeypatch.setattr("os.replace", watched)
    run(lesions, tmp_path, epochs=1)
    assert order == [
        "recipe.json",
        "model.safetensors",
        "config.json",
        "log.json",
        "log.csv",
        "checkpoint.pt",
    ]


def test_weights_are_those_of_the_first_process_before_they_are_averaged(monkeypatch):
    def receive(self, module):
        for tensor in module.parameters():
            torch.nn.init.constant_(tensor, 0.25)

    monkeypatch.setattr(Distributed, "broadcast_module", receive)
    trainer = Trainer(network(), Recipe(**SMALL, ema_decay=0.9), "cpu")
    for model in (trainer.model, trainer.step.kept):
        assert all((weight == 0.25).all() for weight in model.parameters())


def test_the_scores_of_the_first_process_end_the_run(lesions, tmp_path, monkeypatch):
    first = iter((0.1, 0.5, 0.4, 0.3, 0.6))

    def receive(self, own):
        return {**own, "pooled_iou": next(first)}

    monkeypatch.setattr(Distributed, "from_main", receive)
    run(lesions, tmp_path, epochs=5, early_stop=2)
    log = json.loads((tmp_path / "log.json").read_text())
    assert [entry["validation"]["pooled_iou"] for entry in log] == [0.1, 0.5, 0.4, 0.3]
