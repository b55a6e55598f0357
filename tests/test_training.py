"""The trainer on synthetic lesions: it learns, resumes exactly, and refuses what cannot work."""

import copy
import csv
import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_training import SMALL, network, run
from torch import nn

import skinseg
from benchmarks.recipes.optimizers import lion
from skinseg.data import Augmentation, Normalization, SyntheticDermoscopy
from skinseg.errors import CheckpointError
from skinseg.names import RECIPE_NETWORKS
from skinseg.training import (
    Callback,
    MemoryDataset,
    Muon,
    MuonWithAdamW,
    Recipe,
    get_recipe,
    list_recipes,
    train,
    validate,
)
from skinseg.training.batches import part_lengths, piece_lengths
from skinseg.training.distributed import Distributed
from skinseg.training.muon import orthogonalized
from skinseg.training.run_folder import RunFolder
from skinseg.training.step import MicroBatch, Step
from skinseg.training.validate import Validation


def apart(one, other, start):
    """Distance of two networks' weights, divided by how far they have come.

    AdamW moves weights whose gradient is nothing but rounding, too; they make up little of it.
    """
    distance, way = (
        sum((a[key] - b[key]).square().sum() for key in start)
        for a, b in ((one, other), (one, start))
    )
    return float((distance / way).sqrt())


def nadam(net):
    return torch.optim.NAdam(net.parameters())


def test_muon_of_the_recipe_is_muon(lesions, tmp_path):
    settings = {**SMALL, "epochs": 2, "weight_decay": 0.02}
    by_recipe, _ = run(lesions, tmp_path / "recipe", **settings, optimizer="muon")
    by_hand = network()

    def make(net):
        return MuonWithAdamW(net.parameters(), weight_decay=0.02)

    train(by_hand, *lesions, tmp_path / "own", Recipe(**settings), optimizer=make, progress=False)
    for key, value in by_recipe.state_dict().items():
        assert torch.equal(value, by_hand.state_dict()[key]), key
    recipe = skinseg.create_model(f"local-dir:{tmp_path / 'recipe'}").pretrained_cfg.recipe
    assert recipe["optimizer"] == "muon"
    assert "optimizer" not in Recipe().to_dict()
    with pytest.raises(ValueError, match="optimizer must be one of adamw, muon, not 'sgd'"):
        Recipe(optimizer="sgd")


def test_muon_makes_the_momentum_of_kernels_orthogonal():
    torch.manual_seed(0)
    kernel, other, depthwise = (
        nn.Parameter(torch.randn(shape)) for shape in ((8, 4, 3, 3), (8, 12, 3), (40, 1, 3, 3))
    )
    before = [weight.detach().clone() for weight in (kernel, other, depthwise)]
    optimizer = Muon([kernel, other, depthwise], lr=0.1, weight_decay=0.0)
    for weight in (kernel, other, depthwise):
        weight.grad = torch.randn_like(weight)
    optimizer.step()
    for weight, start in zip((kernel, other, depthwise), before, strict=True):
        step = (weight - start).flatten(1) / (0.1 * 0.2 * max(weight.flatten(1).shape) ** 0.5)
        singular = torch.linalg.svdvals(step)
        assert singular.min() > 0.6 and singular.max() < 1.3
        # Against the gradient, and each by itself.
        assert (step * weight.grad.flatten(1)).sum() < 0
    decayed = nn.Parameter(torch.ones(2, 3))
    decayed.grad = torch.zeros(2, 3)
    Muon([decayed], lr=0.1, weight_decay=0.5).step()
    torch.testing.assert_close(decayed, torch.full((2, 3), 0.95))


@pytest.mark.parametrize("make", [Muon, MuonWithAdamW])
def test_muon_evaluates_a_closure_once_and_returns_its_loss(make):
    torch.manual_seed(0)
    with_closure = nn.Linear(4, 4, bias=make is MuonWithAdamW)
    by_hand = copy.deepcopy(with_closure)
    losses = []

    def loss_of(net):
        loss = net(torch.ones(2, 4)).square().sum()
        loss.backward()
        losses.append(loss)
        return loss

    with torch.no_grad():  # A closure has gradients wherever the step is taken.
        found = make(with_closure.parameters()).step(lambda: loss_of(with_closure))
    assert losses == [found]
    loss_of(by_hand)
    assert make(by_hand.parameters()).step() is None
    for one, other in zip(with_closure.parameters(), by_hand.parameters(), strict=True):
        assert torch.equal(one, other)


def test_muon_looks_ahead():
    weight, start = nn.Parameter(torch.zeros(3, 5)), torch.zeros(3, 5)
    optimizer = Muon([weight], lr=0.1, weight_decay=0.0, momentum=0.5)
    first, second = torch.randn(2, 3, 5)
    for gradient in (first, second):
        start = weight.detach().clone()
        weight.grad = gradient.clone()
        optimizer.step()
    # Nesterov's: the momentum of the next step, 0.5 * first + second, and once more the gradient.
    ahead = second + 0.5 * (0.5 * first + second)
    expected = start - 0.1 * 0.2 * 5**0.5 * orthogonalized(ahead[None])[0]
    torch.testing.assert_close(weight.detach(), expected)


def test_muon_takes_matrices_and_adamw_the_rest():
    net = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 1, 1), nn.BatchNorm2d(1))
    optimizer = MuonWithAdamW(net.parameters())
    [muon], [adamw] = (part.param_groups for part in optimizer.parts)
    assert muon["params"] == [net[0].weight]  # A depthwise kernel is a matrix, too.
    assert len(adamw["params"]) == 5
    optimizer.load_state_dict(optimizer.state_dict())
    for group in optimizer.param_groups:
        group["lr"] = 0.5
    assert [part.param_groups[0]["lr"] for part in optimizer.parts] == [0.5, 0.5]


@pytest.mark.parametrize(
    "make", [nadam, lion, lambda net: MuonWithAdamW(net.parameters(), weight_decay=0.01)]
)
def test_another_optimizer_learns_and_goes_on(lesions, tmp_path, make):
    recipe = Recipe(**SMALL, epochs=4, learning_rate=1e-2)
    net = network()
    log = train(net, *lesions, tmp_path, recipe, optimizer=make, progress=False)
    assert log[-1]["loss"] < log[0]["loss"]
    record = skinseg.create_model(f"local-dir:{tmp_path}").pretrained_cfg
    assert record.recipe["optimizer"] == type(make(net)).__name__
    kept = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"]
    step = Step(network(), recipe, Distributed(torch.device("cpu")), make)
    step.load_state_dict(kept)
    assert same_state(step.optimizer.state_dict(), kept["optimizer"])
    with pytest.raises(ValueError, match="another optimizer"):
        train(network(), *lesions, tmp_path, recipe, resume=True, progress=False)


def same_state(one, other):
    """Whether two states of optimizers are the same to the bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same_state(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same_state, one, other))
    return one == other


def test_groups_of_an_optimizer_may_learn_at_their_own_rate():
    def make(net):
        scaled = {"params": list(net.head.parameters()), "lr_scale": 0.1}
        return torch.optim.SGD([{"params": list(net.encoder.parameters())}, scaled], lr=1.0)

    step = Step(network(), Recipe(**SMALL), Distributed(torch.device("cpu")), make)
    x, target = torch.rand(2, 3, 48, 48), torch.rand(2, 1, 48, 48).round()
    step([MicroBatch(x, target, 1.0)], 0.02)
    assert [group["lr"] for group in step.optimizer.param_groups] == [0.02, pytest.approx(0.002)]


@pytest.mark.parametrize("name", ["basic_unet", "egeunet"])
def test_it_learns(lesions, tmp_path, name):
    model, log = run(lesions, tmp_path, name=name, epochs=12, learning_rate=1e-2)
    assert log[-1]["loss"] < 0.7 * log[0]["loss"]
    assert json.loads((tmp_path / "log.json").read_text()) == log
    best = max(entry["validation"]["pooled_iou"] for entry in log)
    data = MemoryDataset(lesions[1], 48, progress=False)
    loaded = skinseg.create_model(f"local-dir:{tmp_path}")
    for trained in (model, loaded):
        found = validate(trained, data, Recipe().normalization)
        assert found.scores.pooled_iou == pytest.approx(best)
    assert loaded.pretrained_cfg.metrics[0]["pooled_iou"] == best
    assert loaded.pretrained_cfg.input_size == (3, 48, 48)


def test_a_resumed_run_is_the_uninterrupted_run(lesions, tmp_path, monkeypatch):
    settings = {"epochs": 3, "small_scale": 0.7, "small_fraction": 0.4, "ema_decay": 0.9}
    whole, _ = run(lesions, tmp_path / "whole", **settings)

    from skinseg.training.step import Step

    learn, steps = Step.__call__, []

    def dies_in_the_second_epoch(self, *batch):
        steps.append(1)
        if len(steps) == 5:
            raise KeyboardInterrupt
        return learn(self, *batch)

    monkeypatch.setattr(Step, "__call__", dies_in_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        run(lesions, tmp_path / "cut", **settings)
    monkeypatch.undo()
    recipe = Recipe(**{**SMALL, **settings})
    resumed = network()
    log = train(resumed, *lesions, tmp_path / "cut", recipe, resume=True, progress=False)
    assert [entry["epoch"] for entry in log] == [1, 2, 3]
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key


@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_a_resumed_run_drops_what_the_uninterrupted_run_drops(lesions, tmp_path, ema_decay):
    def network_with_dropout():
        net = network()
        # With averaged weights, BatchNorm's statistics are those of what Dropout left.
        net.head = nn.Sequential(nn.Dropout(), nn.BatchNorm2d(net.head.in_channels), net.head)
        return net

    class Stop(Exception, Callback):
        def on_epoch(self, entry):
            raise self

    recipe = Recipe(**SMALL, epochs=3, keep="last", ema_decay=ema_decay)
    whole, half, resumed = (network_with_dropout() for _ in range(3))
    train(whole, *lesions, tmp_path / "whole", recipe, progress=False)
    before = torch.get_rng_state()
    with pytest.raises(Stop):
        train(half, *lesions, tmp_path / "cut", recipe, progress=False, callbacks=[Stop()])
    assert torch.equal(torch.get_rng_state(), before), "training changes what the caller draws"
    torch.manual_seed(7)
    train(resumed, *lesions, tmp_path / "cut", recipe, resume=True, progress=False)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key


def test_each_epoch_drops_something_else(lesions, tmp_path):
    drawn = []
    model = network()
    model.register_forward_pre_hook(lambda *_: drawn.append(float(torch.rand(()))))
    train(model, lesions[0], None, tmp_path, Recipe(**SMALL, epochs=2, keep="last"), progress=False)
    assert len(drawn) == len(set(drawn)) == 6


def test_a_run_of_an_earlier_version_goes_on(lesions, tmp_path):
    settings = {"small_scale": 0.7, "small_fraction": 0.4}
    run(lesions, tmp_path, epochs=1, **settings)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    recipe = state["settings"]["recipe"]
    recipe["small_share"] = recipe.pop("small_fraction")
    torch.save(state, tmp_path / "checkpoint.pt")
    assert Recipe.from_dict(recipe).small_fraction == 0.4
    same = Recipe(**SMALL, epochs=1, **settings)
    log = train(network(), *lesions, tmp_path, same, resume=True, progress=False)
    assert [entry["epoch"] for entry in log] == [1]
    other = Recipe(**SMALL, epochs=1, small_scale=0.7, small_fraction=0.5)
    with pytest.raises(ValueError, match=r"another recipe\.small_fraction"):
        train(network(), *lesions, tmp_path, other, resume=True, progress=False)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:500]), "is not a readable checkpoint"),
        (lambda file: torch.save({"model": {}}, file), "is no checkpoint of a training run"),
    ],
)
def test_a_run_with_a_damaged_checkpoint_says_so(lesions, tmp_path, spoil, says):
    run(lesions, tmp_path, epochs=1)
    spoil(tmp_path / "checkpoint.pt")
    with pytest.raises(CheckpointError, match=rf"checkpoint\.pt {says}"):
        train(network(), *lesions, tmp_path, Recipe(**SMALL), resume=True, progress=False)


def test_a_full_disk_is_told_by_the_system_and_the_last_checkpoint_stays(lesions, tmp_path):
    run(lesions, tmp_path, epochs=1)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    folder = RunFolder(tmp_path)
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match=r"too large: .*checkpoint\.pt'"):
            folder.save({"log": [], "step": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


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


def test_a_low_learning_rate_does_not_rise():
    recipe = Recipe(learning_rate=1e-6)
    assert {recipe.learning_rate_at(progress) for progress in (0, 0.5, 1)} == {1e-6}


def test_learning_rate_warms_up_first():
    recipe = Recipe(warmup=0.25)
    rates = [recipe.learning_rate_at(progress) for progress in (0, 0.125, 0.25, 1)]
    assert rates == pytest.approx([0, 5e-4, 1e-3, recipe.final_learning_rate])


def test_first_epochs_are_small():
    recipe = Recipe(epochs=5, size=128, small_scale=0.75, small_fraction=0.6)
    assert [recipe.size_at(epoch) for epoch in range(5)] == [96, 96, 96, 128, 128]
    assert Recipe(size=40, small_scale=0.5, small_fraction=1.0).size_at(0) == 32


def test_the_papers_cosine_rises_again():
    recipe = get_recipe("paper-egeunet")
    assert recipe.epochs == 300
    rates = [recipe.learning_rate_at(epoch / 300) for epoch in (0, 50, 100, 150)]
    assert rates == pytest.approx([1e-3, 1e-5, 1e-3, 1e-5])


@pytest.mark.parametrize("name", list_recipes())
def test_recipes_by_name(name):
    recipe = get_recipe(name, epochs=7)
    assert recipe.epochs == 7
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    with pytest.raises(TypeError, match="no_such_setting"):
        get_recipe(name, no_such_setting=1)


def test_the_names_that_need_no_torch_are_those_of_the_recipes():
    assert sorted(RECIPE_NETWORKS) == list_recipes()


def test_no_such_recipe():
    with pytest.raises(ValueError, match=r"no recipe 'best'.*; there are: .*skinseg"):
        get_recipe("best")


def test_statistics_are_those_of_the_averaged_weights(lesions, tmp_path):
    # A high learning rate, for the average to be far from the weights that learn.
    settings = {**SMALL, "epochs": 2, "learning_rate": 3e-2, "keep": "last", "ema_decay": 0.9}
    torch.manual_seed(0)
    model = skinseg.create_model("egeunet", norm="batch")
    recipe = Recipe(**settings, augmentation=Augmentation(flip=0.0, rotate=0.0))
    train(model, lesions[0], None, tmp_path, recipe, progress=False)
    data = MemoryDataset(lesions[0], 48, progress=False)
    x = recipe.normalization(data.images.float())
    with torch.inference_mode():
        kept = model.eval()(x)
        # Each batch by its own statistics, which are those of all images together.
        own = model.train()(x)
    assert (kept - own).abs().mean() < 0.2 * own.std()


def test_two_outputs_learn_lesion_against_skin(lesions, tmp_path):
    torch.manual_seed(0)
    model = skinseg.create_model("basic_unet", channels=(4, 4, 8, 8, 8, 8), num_classes=2)
    recipe = Recipe(**SMALL, epochs=12, learning_rate=1e-2, loss="ce_iou")
    log = train(model, *lesions, tmp_path, recipe, progress=False)
    assert log[-1]["loss"] < 0.7 * log[0]["loss"]


def test_parts_of_a_batch_add_up_to_the_batch(lesions, tmp_path):
    whole, one = run(lesions, tmp_path / "whole", epochs=1)
    parts, three = run(lesions, tmp_path / "parts", epochs=1, accumulate=3)
    assert one[0]["loss"] == pytest.approx(three[0]["loss"], rel=1e-4)
    assert apart(parts.state_dict(), whole.state_dict(), network().state_dict()) < 0.02


def test_bfloat16_learns_about_the_same(lesions, tmp_path):
    _, exact = run(lesions, tmp_path / "float32", epochs=2)
    _, reduced = run(lesions, tmp_path / "bfloat16", epochs=2, precision="bfloat16")
    assert reduced[-1]["loss"] != exact[-1]["loss"]
    assert reduced[-1]["loss"] == pytest.approx(exact[-1]["loss"], rel=0.05)


def test_it_stops_early(lesions, tmp_path):
    # Without learning, no epoch is better than the first.
    settings = {"learning_rate": 1e-12, "final_learning_rate": 0.0, "early_stop": 2}
    _, log = run(lesions, tmp_path, epochs=20, **settings)
    assert len(log) == 3
    again = train(
        network(),
        *lesions,
        tmp_path,
        Recipe(**SMALL, epochs=20, **settings),
        resume=True,
        progress=False,
    )
    assert len(again) == 3


@pytest.mark.parametrize(("keep", "epochs"), [("best", 4), ("lowest_loss", 5), ("last", 4)])
def test_it_stops_early_whichever_epoch_is_kept(lesions, tmp_path, monkeypatch, keep, epochs):
    found = iter(zip((0.2, 0.6, 0.4, 0.3, 0.5), (0.5, 0.4, 0.1, 0.3, 0.2), strict=True))

    def scripted(model, *args, **kwargs):
        iou, loss = next(found)
        scores = validate(model, *args, **kwargs).scores
        return Validation(dataclasses.replace(scores, pooled_iou=iou), loss)

    monkeypatch.setattr("skinseg.training.trainer.validate", scripted)
    _, log = run(lesions, tmp_path, epochs=20, early_stop=2, keep=keep)
    assert len(log) == epochs
    record = skinseg.create_model(f"local-dir:{tmp_path}").pretrained_cfg
    assert record.recipe["epoch"] == {"best": 2, "lowest_loss": 3, "last": 4}[keep]
    if keep == "last":
        facts = "nothing; the last one is kept, and 4 validation images could end the run early"
        assert record.training_data["epoch_chosen_by"] == facts
        data = "validation images of the run, which could end the run early"
        assert record.metrics[0]["data"] == data


@pytest.mark.parametrize(("keep", "epoch"), [("best", 2), ("lowest_loss", 3), ("last", 4)])
def test_the_recipe_says_which_epoch_is_kept(lesions, tmp_path, monkeypatch, keep, epoch):
    found = iter(zip((0.2, 0.6, 0.4, 0.3), (0.5, 0.4, 0.1, 0.3), strict=True))
    seen = []

    def scripted(model, *args, **kwargs):
        seen.append({key: value.clone() for key, value in model.state_dict().items()})
        iou, loss = next(found)
        scores = validate(model, *args, **kwargs).scores
        return Validation(dataclasses.replace(scores, pooled_iou=iou), loss)

    monkeypatch.setattr("skinseg.training.trainer.validate", scripted)
    trained, _ = run(lesions, tmp_path, epochs=4, keep=keep)
    record = skinseg.create_model(f"local-dir:{tmp_path}").pretrained_cfg
    assert record.recipe["epoch"] == epoch
    assert record.metrics[0]["pooled_iou"] == (0.2, 0.6, 0.4, 0.3)[epoch - 1]
    kept = seen[epoch - 1]
    assert all(torch.equal(value, kept[key]) for key, value in trained.state_dict().items())


def test_validation_does_not_depend_on_the_batch_size(lesions):
    data = MemoryDataset(lesions[0].subset(lesions[0].ids[:5]), 48, progress=False)
    whole, halves = (
        validate(network(), data, Normalization(), batch_size=size).to_dict() for size in (5, 2)
    )
    assert whole == pytest.approx(halves, rel=1e-5)


def test_the_last_epoch_needs_no_validation_images(lesions, tmp_path):
    train_set, _ = lesions
    log = train(
        network(),
        train_set,
        None,
        tmp_path,
        Recipe(**SMALL, epochs=1, keep="last"),
        progress=False,
    )
    assert "validation" not in log[0]
    assert skinseg.create_model(f"local-dir:{tmp_path}").pretrained_cfg.metrics == []
    with pytest.raises(ValueError, match='"best" on val_set, and there is none'):
        train(network(), train_set, None, tmp_path / "other", Recipe(**SMALL))
    early = Recipe(**SMALL, keep="last", early_stop=2)
    with pytest.raises(ValueError, match="early_stop is 2, and there is no val_set to tell"):
        train(network(), train_set, None, tmp_path / "other", early)


def test_the_authors_slip_lets_the_test_images_choose(lesions, tmp_path):
    train_set, val_set = lesions
    recipe = Recipe(**SMALL, epochs=1, select_on_test=True)
    with pytest.raises(ValueError, match="test_set, and there is none"):
        train(network(), train_set, val_set, tmp_path, recipe)
    test_set = SyntheticDermoscopy(3, size=48, seed=99)
    log = train(network(), train_set, val_set, tmp_path, recipe, test_set=test_set, progress=False)
    assert log[0]["validation"]["images"] == 3


def test_soft_masks_of_a_teacher(lesions, tmp_path):
    train_set, val_set = lesions
    recipe = Recipe(**SMALL, epochs=1, soft_weight=0.5)
    with pytest.raises(ValueError, match="12 images without a soft mask"):
        train(network(), train_set, val_set, tmp_path, recipe, progress=False)
    soft = {name: torch.full((20, 24), 255, dtype=torch.uint8) for name in train_set.ids}
    data = MemoryDataset(train_set, 48, soft_masks=soft, soft_weight=0.25, progress=False)
    assert sorted(data.masks.unique().tolist()) == [64, 255]
    log = train(network(), train_set, val_set, tmp_path, recipe, soft_masks=soft, progress=False)
    assert log[0]["loss"] > 0


def test_each_epoch_is_told_once_it_is_on_disk(lesions, tmp_path):
    told = []

    class Telling(Callback):
        def on_start(self, folder, settings, log):
            told.append((folder, settings["recipe"]["epochs"], len(log)))

        def on_epoch(self, entry):
            told.append(entry["epoch"])
            assert len(json.loads((tmp_path / "log.json").read_text())) == entry["epoch"]

        def on_end(self):
            told.append("end")

    recipe = Recipe(**SMALL, epochs=2)
    train(network(), *lesions, tmp_path, recipe, progress=False, callbacks=[Telling()])
    assert told == [(tmp_path, 2, 0), 1, 2, "end"]
    train(network(), *lesions, tmp_path, recipe, progress=False, resume=True, callbacks=[Telling()])
    assert told[4:] == [(tmp_path, 2, 2), "end"]


def test_the_log_is_a_csv_file_too(lesions, tmp_path):
    _, log = run(lesions, tmp_path, epochs=2)
    with open(tmp_path / "log.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2]
    for row, entry in zip(rows, log, strict=True):
        assert float(row["loss"]) == entry["loss"]
        assert float(row["validation/pooled_iou"]) == entry["validation"]["pooled_iou"]


def test_a_loss_that_explodes_ends_the_run(lesions, tmp_path):
    with pytest.raises(FloatingPointError, match="no longer a number in epoch"):
        run(lesions, tmp_path, epochs=3, learning_rate=1e30)


def test_a_used_folder_is_not_overwritten(lesions, tmp_path):
    run(lesions, tmp_path, epochs=1)
    with pytest.raises(FileExistsError, match="holds a training run already"):
        run(lesions, tmp_path, epochs=1)
    with pytest.raises(ValueError, match=r"trained with another recipe\.epochs"):
        recipe = Recipe(**SMALL, epochs=2)
        train(network(), *lesions, tmp_path, recipe, resume=True, progress=False)


class OwnNetwork(nn.Module):
    """A user's network, which no name can build."""

    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3, padding=1)
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x):
        return self.head(self.body(x).relu())


def test_any_module_that_returns_logits_is_trained(lesions, tmp_path):
    torch.manual_seed(0)
    recipe = Recipe(**SMALL, epochs=2)
    whole, resumed = OwnNetwork(), OwnNetwork()
    resumed.load_state_dict(whole.state_dict())
    train(whole, *lesions, tmp_path / "whole", recipe, progress=False)
    half = copy.deepcopy(resumed)

    class Stop(Exception, Callback):
        ended = False

        def on_epoch(self, entry):
            raise self

        def on_end(self):
            self.ended = True

    with pytest.raises(Stop) as caught:
        train(half, *lesions, tmp_path / "half", recipe, progress=False, callbacks=[Stop()])
    assert caught.value.ended
    train(resumed, *lesions, tmp_path / "half", recipe, progress=False, resume=True)
    kept = load_file(tmp_path / "half" / "model.safetensors")
    assert all(torch.equal(value, whole.state_dict()[key]) for key, value in kept.items())
    assert not (tmp_path / "half" / "config.json").exists()


def test_a_changed_network_is_trained_and_leaves_no_record(lesions, tmp_path):
    changed = network()
    changed.head = nn.Sequential(nn.Dropout(), changed.head)
    train(changed, *lesions, tmp_path, Recipe(**SMALL, epochs=1), progress=False)
    assert (tmp_path / "model.safetensors").is_file()
    assert not (tmp_path / "config.json").exists()


def test_a_network_that_returns_no_tensor_is_refused(lesions, tmp_path):
    class Pair(OwnNetwork):
        def forward(self, x):
            return super().forward(x), x

    with pytest.raises(TypeError, match="returned tuple and must return a tensor of logits"):
        train(Pair(), *lesions, tmp_path, Recipe(**SMALL, epochs=1), progress=False)


def test_a_runs_own_recipe_is_fed_back(lesions, tmp_path):
    recipe = Recipe(**SMALL, epochs=1, warmup=0.25)
    train(network(), *lesions, tmp_path, recipe, progress=False)
    assert get_recipe(str(tmp_path / "recipe.json")) == recipe
    assert get_recipe(str(tmp_path / "recipe.json"), epochs=3).epochs == 3


@pytest.mark.parametrize(
    ("content", "says"),
    [("{", "not a readable recipe"), ('{"epochs": 3}', "settings of a recipe"), ("[]", "settings")],
)
def test_a_file_that_is_no_recipe(content, says, tmp_path):
    (tmp_path / "mine.json").write_text(content)
    with pytest.raises(ValueError, match=says):
        get_recipe(str(tmp_path / "mine.json"))


def test_what_cannot_be_trained(lesions, tmp_path):
    train_set, val_set = lesions
    three = skinseg.create_model("basic_unet", num_classes=3)
    with pytest.raises(ValueError, match=r"num_classes=1, or train several .* skinseg\.losses"):
        train(three, train_set, val_set, tmp_path)
    with pytest.raises(ValueError, match="12 images for training and"):
        train(network(), train_set, train_set, tmp_path)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"size": 16}, "size must be at least 32"),
        ({"small_scale": 0.25}, r"small_scale must be in 0\.5\.\.1"),
        ({"learning_rate": 0}, "learning_rate must be above 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be .* finite, not nan"),
        ({"learning_rate": float("inf")}, "learning_rate must be .* finite, not inf"),
        ({"seed": -1}, "seed must be at least 0, not -1"),
        ({"seed": 2**64}, "seed must be at most 17592186044416, not 18446744073709551616"),
        ({"warmup": 2}, r"warmup must be in 0..1"),
        ({"ema_decay": 1.5}, r"ema_decay must be in 0..1, not 1.5"),
        ({"weight_decay": -1.0}, "weight_decay must be 0 or more, not -1"),
        ({"final_learning_rate": -1e-5}, "final_learning_rate must be 0 or more"),
        ({"accumulate": 0}, "accumulate must be at least 1"),
        ({"loss": "focal"}, "loss must be one of bce_dice, ce_iou, not 'focal'"),
        ({"keep": "first"}, "keep must be one of best, lowest_loss, last"),
        ({"precision": "float8"}, "precision must be one of float32, bfloat16"),
    ],
)
def test_impossible_recipes(settings, says):
    with pytest.raises(ValueError, match=says):
        Recipe(**settings)


@pytest.mark.parametrize("settings", [{"epochs": 2.5}, {"size": 64.5}, {"seed": None}])
def test_what_is_counted_is_whole(settings, tmp_path):
    [(name, value)] = settings.items()
    with pytest.raises(TypeError, match=f"{name} must be a whole number, not {value}"):
        Recipe(**settings)
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"recipe": {**Recipe().to_dict(), **settings}}))
    with pytest.raises(ValueError, match=f"mine.json does not hold .* {name} must be a whole"):
        get_recipe(str(file))
    assert json.loads(json.dumps(Recipe(epochs=np.int64(2)).to_dict()))["epochs"] == 2


def test_only_whole_batches_of_a_gpu_are_captured(monkeypatch):
    # A replayed graph overwrites the gradients of the part before it.
    monkeypatch.setattr(Step, "_capture", lambda self, x: "captured")
    batch = SimpleNamespace(device=torch.device("cuda"), shape=torch.Size([8, 3, 32, 32]))
    for accumulate, captured in ((1, True), (2, False)):
        recipe = Recipe(accumulate=accumulate)
        step = Step(skinseg.create_model("malunet"), recipe, Distributed(torch.device("cpu")))
        assert (step._loss_of(batch) == "captured") is captured


@pytest.mark.parametrize(
    ("images", "settings", "learned"),
    [
        (9, {}, {4, 5}),
        (7, {"accumulate": 2}, {2, 3}),
        # A whole batch is handled in parts of two; one of two images is not divided.
        (6, {"accumulate": 2}, {2}),
        (6, {"batch_size": 3, "accumulate": 2}, {3}),
    ],
)
def test_no_network_learns_from_a_single_image(lesions, tmp_path, images, settings, learned):
    """BiSeNet pools maps to one position, of which BatchNorm needs two images."""
    model = skinseg.create_model("bisenet")
    seen = []

    def note(net, inputs):
        if net.training:
            seen.append(len(inputs[0]))

    model.register_forward_pre_hook(note)
    few = lesions[0].subset(lesions[0].ids[:images])
    recipe = Recipe(**{**SMALL, "epochs": 1, **settings})
    rates = []

    def make(net):
        optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
        optimizer.register_step_pre_hook(lambda *_: rates.append(optimizer.param_groups[0]["lr"]))
        return optimizer

    train(model, few, lesions[1], tmp_path, recipe, optimizer=make, progress=False)
    assert set(seen) == learned and sum(seen) == images
    expected = [recipe.learning_rate_at(step / len(rates)) for step in range(len(rates))]
    assert rates == pytest.approx(expected)


def test_other_batches_are_divided_as_they_were():
    for images in range(1, 30):
        for most in range(1, 9):
            if images % most != 1 or most == 1 or images == 1:
                halves = torch.split(torch.arange(images), most)
                assert piece_lengths(images, most) == [len(half) for half in halves]
    assert part_lengths(3, 4, 4) == [1, 1, 1], "parts of one image, as the recipe asks for"
