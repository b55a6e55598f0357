"""What is chosen from the data, and that one picture is never on both sides of a split."""

import dataclasses
import json
import re

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

import skinseg
from skinseg.data import (
    BrokenDatasetError,
    FolderDataset,
    SyntheticDermoscopy,
    synthetic_lesion,
    write_png,
)
from skinseg.data.any_label import AnyLabel
from skinseg.data.near_duplicates import fingerprint, near_duplicate_groups
from skinseg.data.normalization import Normalization
from skinseg.planning import TrainingPlan, choices, plan_training, rehearse
from skinseg.reports.curves import _epoch_ticks, _ticks, chart
from skinseg.training import Recipe, get_recipe

# --- near-duplicates -----------------------------------------------------------------------------


def saved_again(image: np.ndarray, tmp_path, **options) -> np.ndarray:
    Image.fromarray(image).save(tmp_path / "again.jpg", **options)
    return np.array(Image.open(tmp_path / "again.jpg"))


def test_one_picture_is_known_again(tmp_path):
    pictures = [synthetic_lesion(seed, 128)[0] for seed in range(12)]
    picture = pictures[3]
    pictures += [
        saved_again(picture, tmp_path, quality=40),
        np.array(Image.fromarray(picture).resize((200, 90))),
        picture[:, ::-1],
        np.rot90(picture),
        np.rot90(picture)[:, ::-1],
    ]
    groups = near_duplicate_groups(np.stack([fingerprint(picture) for picture in pictures]))
    assert len(set(groups[:12].tolist())) == 12
    assert set(groups[12:].tolist()) == {groups[3]}


def test_groups_are_found_across_blocks(monkeypatch):
    monkeypatch.setattr("skinseg.data.near_duplicates._ROWS", 3)
    noise = np.random.default_rng(0).uniform(0, 255, (10, 16, 16, 3)).astype(np.float32)
    noise[9] = noise[1] + 1
    groups = near_duplicate_groups(noise)
    assert groups[9] == groups[1]
    assert len(set(groups.tolist())) == 9


def test_real_near_duplicates(shared_dir):
    root = shared_dir / "data/isic2017_256/ISIC-2017_Training_Data"
    names = ("ISIC_0012290", "ISIC_0013594", "ISIC_0012672", "ISIC_0012673", "ISIC_0012756")
    names += ("ISIC_0013184", "ISIC_0014433", "ISIC_0014480")
    images = [np.array(Image.open(root / f"{name}.jpg")) for name in names]
    groups = near_duplicate_groups(np.stack([fingerprint(image) for image in images]))
    assert groups.tolist() == [0, 0, 1, 1, 2, 3, 4, 5]


def test_real_masks_are_not_taken_for_labels(shared_dir):
    from skinseg.data.checks import _labels

    files = sorted(
        (shared_dir / "data/isic2017_256/ISIC-2017_Validation_Part1_GroundTruth").iterdir()
    )
    for file in files[:40]:
        assert set(_labels(np.array(Image.open(file).convert("L")))) <= {0, 255}


# --- the plan ------------------------------------------------------------------------------------


def test_pictures_saved_twice_stay_on_one_side(tmp_path):
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    for seed in range(8):
        image, mask = synthetic_lesion(seed, 64)
        for copy, size in enumerate((64, 48)):
            name = f"{seed}_{copy}.png"
            write_png(
                tmp_path / "images" / name, np.array(Image.fromarray(image).resize((size,) * 2))
            )
            small = np.array(Image.fromarray(mask).resize((size,) * 2))
            write_png(tmp_path / "masks" / name, small)
    plan = plan_training(FolderDataset(tmp_path), "basic_unet", progress=False)
    sides = [{name.split("_")[0] for name in ids} for ids in (plan.train, plan.validation)]
    assert not sides[0] & sides[1]
    assert len(plan.train) + len(plan.validation) == 16
    assert any("16 images show 8 different pictures" in note for note in plan.notes)


def test_plan_is_the_same_again_and_survives_its_file(tmp_path):
    dataset = SyntheticDermoscopy(10, 48)
    plans = [plan_training(dataset, "malunet", progress=False, seed=2) for _ in range(2)]
    assert plans[0] == plans[1]
    plans[0].left_out["caf\udce9"] = "'caf\udce9.jpg' cannot be read"
    plans[0].write(tmp_path)
    assert TrainingPlan.read(tmp_path) == plans[0]
    (tmp_path / "plan.json").write_text('{"model": "malunet"}')
    with pytest.raises(ValueError, match="is not the plan of a training run"):
        TrainingPlan.read(tmp_path)


def test_weights_bring_their_normalization_and_size():
    plan = plan_training(SyntheticDermoscopy(8, 160), "egeunet.isic2017", progress=False)
    record = plan.network().pretrained_cfg
    assert plan.weights == "egeunet.isic2017"
    assert plan.recipe.size == record.input_size[1]
    assert plan.recipe.normalization.to_dict() == record.normalization
    assert any("ISIC 2017" in note for note in plan.notes)
    scratch = plan_training(
        SyntheticDermoscopy(8, 160), "egeunet", pretrained=False, progress=False
    )
    assert scratch.weights is None
    assert scratch.recipe.epochs > plan.recipe.epochs
    assert scratch.recipe.learning_rate > plan.recipe.learning_rate


def test_validation_images_of_their_own_must_be_named_again():
    train, val = SyntheticDermoscopy(5, 48), SyntheticDermoscopy(3, 48, seed=100)
    plan = plan_training(train, "basic_unet", val_set=val, progress=False)
    assert plan.parts(train, val)[1].ids == val.ids
    with pytest.raises(ValueError, match="validation images of its own"):
        plan.parts(train)


def test_accents_of_groups_may_be_those_of_macos(tmp_path):
    for part in ("images", "masks"):
        (tmp_path / part).mkdir(parents=True)
    for seed in range(8):
        image, mask = synthetic_lesion(seed, 64)
        write_png(tmp_path / "images" / f"e\u0301{seed}.png", image)
        write_png(tmp_path / "masks" / f"e\u0301{seed}.png", mask)
    groups = {f"e\u0301{seed}": f"patient {seed // 2}" for seed in range(8)}
    plan = plan_training(FolderDataset(tmp_path), "basic_unet", groups=groups, progress=False)
    sides = [{int(name[-1]) // 2 for name in ids} for ids in (plan.train, plan.validation)]
    assert sides[0] and sides[1] and not sides[0] & sides[1]


def test_training_images_with_a_lesion_must_be_left(tmp_path):
    for part in ("train", "val"):
        for kind in ("images", "masks"):
            (tmp_path / part / kind).mkdir(parents=True)
    for seed in range(8):
        image, mask = synthetic_lesion(seed, 64)
        mask = mask if seed < 2 else np.zeros_like(mask)
        for part in ("train", "val") if seed < 2 else ("train",):
            write_png(tmp_path / part / "images" / f"{part}{seed}.png", image)
            write_png(tmp_path / part / "masks" / f"{part}{seed}.png", mask)
    train, val = (FolderDataset(tmp_path / part) for part in ("train", "val"))
    with pytest.raises(
        BrokenDatasetError, match="None of the 6 training images that are left"
    ) as e:
        plan_training(train, "basic_unet", val_set=val, progress=False)
    assert "Take these out of the validation images" in str(e.value)
    assert "same picture as the validation image 'val0'" in str(e.value)


# --- the rules -----------------------------------------------------------------------------------


@pytest.mark.parametrize("images", [4, 23, 100, 600, 2000, 20_000])
@pytest.mark.parametrize("trained", [False, True])
def test_steps_grow_with_the_images_and_epochs_fall(images, trained):
    recipe = get_recipe("skinseg")
    batch = int(choices.batch_size(recipe, images).value)
    assert batch <= min(16, images)
    steps = int(choices.epochs(images, batch, trained).value) * -(-images // batch)
    assert 400 <= steps <= 60_000
    more = 10 * images
    more_batch = int(choices.batch_size(recipe, more).value)
    assert int(choices.epochs(more, more_batch, trained).value) <= int(
        choices.epochs(images, batch, trained).value
    )


def test_the_reference_is_what_was_measured():
    recipe = get_recipe("skinseg")
    assert choices.epochs(1500, 8, False).value == str(recipe.epochs)
    assert choices.batch_size(recipe, 2000).value == str(recipe.batch_size)
    assert choices.learning_rate(recipe, 8, False).value == f"{recipe.learning_rate:g}"
    assert choices.ema_decay(recipe, 15_000) == recipe.ema_decay
    assert choices.ema_decay(recipe, 800) == 0.9875
    assert choices.ema_decay(Recipe(), 800) is None


@pytest.mark.parametrize(
    ("side", "lesion", "size", "reason"),
    [
        (1000, 0.2, "128", "of the recipe"),
        (1000, 0.004, "256", "pixels across"),
        (140, 0.004, "128", "of the recipe"),
        (60, 0.2, "64", "of about 60 pixels"),
        (20, 0.2, "64", "of about 20 pixels"),
    ],
)
def test_size_follows_from_images_and_lesions(side, lesion, size, reason):
    # Images without lesion, and large lesions, say nothing of the smallest ones.
    sizes, lesions = np.full((10, 2), side), np.repeat([0.0, lesion, 0.5], (3, 4, 3))
    choice = choices.training_size(128, "that of the recipe", sizes, lesions)
    assert choice.value == size
    assert reason in choice.reason


@pytest.mark.parametrize(("images", "chosen"), [(4, 2), (10, 4), (30, 6), (2500, 500), (9000, 500)])
def test_validation_fraction(images, chosen):
    assert round(images * choices.validation_fraction(images)[0]) == chosen


@pytest.mark.parametrize(
    ("chosen", "value"),
    [
        # A power of two, from four images up to the recipe's batch.
        (lambda recipe: choices.batch_size(recipe, 10), "4"),
        (lambda recipe: choices.batch_size(recipe, 60), "4"),
        (lambda recipe: choices.batch_size(recipe, 64), "8"),
        # Four times the images, or a quarter of them: twice the steps, or half. 1,500 take 14,100.
        (lambda recipe: choices.epochs(6000, 8, False), "38"),
        (lambda recipe: choices.epochs(375, 8, False), "150"),
        (lambda recipe: choices.epochs(1500, 16, False), "75"),
        (lambda recipe: choices.epochs(1500, 8, True), "19"),
        # Of nine images the last one joins the second batch of four.
        (lambda recipe: choices.epochs(9, 4, False), "1000"),
        (lambda recipe: choices.learning_rate(recipe, 2, False), "0.0015"),
        (lambda recipe: choices.learning_rate(recipe, 8, True), "0.0003"),
        (lambda recipe: choices.begins_with("egeunet.mine", 999, None)[1], "egeunet.mine"),
        (lambda recipe: choices.begins_with("egeunet.mine", 1000, None)[1], "random weights"),
        (lambda recipe: choices.begins_with("egeunet.mine", 9, False)[1], "random weights"),
    ],
)
def test_choices_by_hand(chosen, value):
    assert chosen(get_recipe("skinseg")).value == value


def test_every_choice_reaches_the_recipe(tmp_path, monkeypatch):
    record = {"architecture": "basic_unet", "tag": "mine", "input_size": [3, 96, 96]}
    record["normalization"] = {"kind": "mean_std", "mean": [0.5] * 3, "std": [0.2] * 3}
    (tmp_path / "basic_unet.mine.json").write_text(json.dumps(record))
    network = skinseg.create_model("basic_unet")
    save_file(network.state_dict(), tmp_path / "basic_unet.mine.safetensors")
    monkeypatch.setenv("SKINSEG_WEIGHTS", str(tmp_path))
    plan = plan_training(SyntheticDermoscopy(10, 160), "basic_unet.mine", progress=False)
    base, recipe = get_recipe("skinseg"), plan.recipe
    values = {choice.name: choice.value for choice in plan.choices}
    assert recipe.normalization == Normalization.from_dict(record["normalization"])
    assert recipe.size == int(values["size"]) == 96
    assert recipe.batch_size == int(values["batch size"]) == 4
    assert recipe.epochs == int(values["epochs"])
    assert recipe.learning_rate == float(values["learning rate"])
    assert recipe.final_learning_rate == base.final_learning_rate
    steps = recipe.epochs * -(-len(plan.train) // recipe.batch_size)
    assert recipe.ema_decay == choices.ema_decay(base, steps) < base.ema_decay
    # What none of them is about is the recipe's.
    fitted = ("size", "batch_size", "epochs", "learning_rate", "normalization", "ema_decay")
    changed = {name: getattr(base, name) for name in fitted}
    assert dataclasses.replace(recipe, **changed) == base


def test_what_is_asked_for_wins_over_what_is_chosen():
    asked = {"size": 64, "batch_size": 3, "epochs": 5, "learning_rate": 0.5, "ema_decay": 0.25}
    asked |= {"final_learning_rate": 0.4, "normalization": Normalization(scale=1.0), "seed": 7}
    plan = plan_training(SyntheticDermoscopy(8, 48), "egeunet.isic2017", progress=False, **asked)
    assert {name: getattr(plan.recipe, name) for name in asked} == asked


@pytest.mark.parametrize(
    ("batch_size", "rate", "reason"),
    [
        (2, 1.5e-3, "lower, for batches of 2"),
        (4, 2.1e-3, "lower, for batches of 4"),
        (32, 3e-3, "that of the recipe"),
    ],
)
def test_the_learning_rate_follows_the_batch_size_that_is_asked_for(batch_size, rate, reason):
    asked = {"batch_size": batch_size, "pretrained": False}
    plan = plan_training(SyntheticDermoscopy(8, 48), "basic_unet", progress=False, **asked)
    assert plan.recipe.learning_rate == rate
    [choice] = [choice for choice in plan.choices if choice.name == "learning rate"]
    assert choice.reason == reason


def test_a_low_learning_rate_does_not_rise():
    images = SyntheticDermoscopy(8, 48)
    plan = plan_training(images, "malunet", learning_rate=1e-6, progress=False)
    assert plan.recipe.final_learning_rate == plan.recipe.learning_rate == 1e-6


@pytest.mark.parametrize(("scale", "passes"), [(1.0, 3.0), (0.5, 1.5)])
def test_the_estimate_is_of_the_whole_run(scale, passes, monkeypatch):
    """Two of three epochs see small images, of a quarter of the pixels at half the size."""
    settings = {"epochs": 3, "size": 64, "small_fraction": 0.6, "small_scale": scale}
    images = SyntheticDermoscopy(8, 64)
    plan = plan_training(images, "basic_unet", pretrained=False, progress=False, **settings)
    monkeypatch.setattr("skinseg.planning.rehearsal._seconds_per_image", lambda calls: 6.0)
    found = rehearse(plan, *plan.parts(images))
    learning, validating = 6.0 * len(plan.train), 2.0 * len(plan.validation)
    assert found.seconds_per_epoch == pytest.approx(learning + validating)
    assert found.seconds == pytest.approx(learning * passes + validating * 3)


# --- labels and curves ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["16 bit", "palette", "color"])
def test_any_label_of_any_kind_of_mask(tmp_path, kind):
    labels = np.zeros((20, 30), np.uint8)
    labels[2:6], labels[10:15, 5:] = 1, 2
    if kind == "16 bit":
        picture = Image.fromarray(labels.astype(np.uint16))
    elif kind == "palette":
        picture = Image.fromarray(labels, "P")
        picture.putpalette([0, 0, 0, 0, 128, 0, 128, 0, 0])
    else:
        colors = np.array([[0, 0, 0], [0, 5, 0], [200, 0, 90]], np.uint8)
        picture = Image.fromarray(colors[labels])
    picture.save(tmp_path / "x_mask.png")
    write_png(tmp_path / "x.png", np.zeros((20, 30, 3), np.uint8))
    mask = AnyLabel(FolderDataset(tmp_path))[0].mask
    np.testing.assert_array_equal(mask, labels > 0)


@pytest.mark.parametrize(
    ("low", "high"), [(0.1, 0.9), (1e-5, 1e-3), (0.5, 0.5), (0, 0), (0.871, 0.874), (-3, 700)]
)
def test_axes_enclose_the_values_with_round_ticks(low, high):
    ticks = _ticks(low, high)
    assert ticks[0] <= low <= high <= ticks[-1]
    assert 2 <= len(ticks) <= 7


def test_epochs_on_the_axis():
    assert _epoch_ticks(1) == [1]
    assert _epoch_ticks(3) == [1, 2, 3]
    assert _epoch_ticks(134) == [1, 25, 50, 75, 100, 125]


def test_chart_of_one_epoch_and_of_a_loss_that_was_no_number():
    assert "<circle" in chart("Loss", {"training": [0.5]}, marked=1)
    drawn = chart("Loss", {"training": [0.5, float("nan"), 0.25]})
    assert "nan" not in drawn
    assert drawn.count(",") == 2


def test_higher_values_are_drawn_higher():
    points = re.search(r'points="([^"]+)"', chart("IoU", {"validation": [0.2, 0.5, 0.9]}))[1]
    across, down = zip(*(map(float, point.split(",")) for point in points.split()), strict=True)
    assert list(across) == sorted(across) and list(down) == sorted(down, reverse=True)
