"""``skinseg train``: a stranger's folder, from the first check to masks of new images."""

import ast
import csv
import dataclasses
import json
import re
import shutil
import subprocess
import sys
from html import escape, unescape
from pathlib import Path

import numpy as np
import pytest
import torch
from command import run
from PIL import Image

import skinseg
from skinseg.cli.training import EpochLines, show_result
from skinseg.data import read_mask, synthetic_lesion
from skinseg.planning.plan import TrainingPlan
from skinseg.planning.rehearsal import Rehearsal
from skinseg.reports.training import _images, use_lines
from skinseg.training import Recipe

ODD_NAMES = [
    ("Läsion 1.JPG", "Läsion 1_segmentation.png"),
    ("mole (2).png", "mole (2).PNG"),
    ("病変_3.bmp", "病変_3_Mask.bmp"),
    ("patient 7, left arm.jpeg", "patient 7, left arm-mask.png"),
    ("x  y.PNG", "x  y_mask.png"),
    ("img.08.final.tif", "img.08.final.png"),
    ("#9 & co.jpg", "#9 & co_lesion.png"),
    ("[10].png", "[10].png"),
]
SIZES = [(64, 64), (48, 80), (100, 60)]
SMALL = ["--model", "basic_unet_sab", "--size", "32", "--epochs", "1", "--batch-size", "4"]


def put(folder: Path, seed: int, image: str, mask: str, label: int = 255) -> None:
    pixels, lesion = synthetic_lesion(seed, SIZES[seed % len(SIZES)])
    Image.fromarray(pixels).save(folder / "images" / image)
    Image.fromarray(lesion * np.uint8(label)).save(folder / "masks" / mask)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Eight images with odd names, of several sizes and kinds; the working folder lies above."""
    for part in ("images", "masks"):
        (tmp_path / "my_data" / part).mkdir(parents=True)
    for seed, names in enumerate(ODD_NAMES):
        put(tmp_path / "my_data", seed, *names)
    monkeypatch.chdir(tmp_path)
    return Path("my_data")


def break_one(folder: Path) -> None:
    file = folder / "images" / ODD_NAMES[0][0]
    file.write_bytes(file.read_bytes()[:-100])


# --- the three commands of the README ------------------------------------------------------------


def test_three_commands(folder):
    break_one(folder)
    checked = run("check", folder, "-q")
    assert checked.exit_code == 0
    assert "Läsion 1.JPG': the file is truncated" in checked.stdout
    assert "skinseg train leaves out what is broken" in checked.stdout

    trained = run("train", "--data", folder, "--output", "runs/mine", *SMALL, "--epochs", 2)
    assert trained.exit_code == 0, trained.output
    assert "Left out, 1 image:" in trained.stderr
    assert "Läsion 1.JPG': the file is truncated" in trained.stderr
    assert "4 training images, 3 validation images" in trained.stdout
    assert "Estimated time:" in trained.stdout
    assert "epoch 2 of 2: loss" in trained.stderr
    assert "validation images, which chose it" in trained.stdout
    assert "--model local-dir:runs/mine" in trained.stdout
    files = {path.name for path in Path("runs/mine").iterdir()}
    assert files == {
        *("plan.json", "recipe.json", "log.json", "log.csv", "checkpoint.pt"),
        *("model.safetensors", "config.json", "report.html"),
    }

    _is_one_page_that_needs_nothing_else()

    source = "local-dir:runs/mine"
    predicted = run("predict", folder / "images", "--model", source, "--output", "masks")
    assert predicted.exit_code == 1  # The broken file, which is named.
    assert "7 of 8 images segmented" in predicted.stdout
    with open("masks/predictions.csv", newline="", encoding="utf-8") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    for image, _ in ODD_NAMES[1:]:
        with Image.open(folder / "images" / image) as picture:
            size = picture.size
        mask = read_mask(Path("masks", rows[str(folder / "images" / image)]["mask_file"]))
        assert mask.shape[::-1] == size


def _is_one_page_that_needs_nothing_else() -> None:
    page = Path("runs/mine/report.html").read_text(encoding="utf-8")
    plan = TrainingPlan.read("runs/mine")
    assert not re.search(r"<script|<link|https?://|url\(|src=\"(?!data:image/jpeg)", page)
    assert page.count("<svg") == 4  # Loss, validation, learning rate, histogram.
    assert page.count("<polyline") == 5
    assert page.count('class="kept"') == 3
    assert "prefers-color-scheme: dark" in page
    assert "the validation images chose the epoch" in page
    assert "Läsion 1.JPG&#x27;: the file is truncated" in page
    assert page.count("with true and predicted outline") == len(plan.validation)
    assert all(escape(name) in page for name in plan.validation)
    assert all(choice.name in page for choice in plan.choices)
    assert "skinseg predict IMAGES --model local-dir:runs/mine" in page
    assert "Not a medical device" in page


def test_no_text_of_a_plan_becomes_markup(folder):
    run("train", "--data", folder, "--output", "run", *SMALL, "-q")
    plan, text = TrainingPlan.read("run"), "<i>text</i>"
    choice = dataclasses.replace(plan.choices[0], name=text, value=text, reason=text)
    shown = {"notes": [text], "left_out": {text: text}, "choices": [choice]}
    dataclasses.replace(plan, **shown).write("run")
    images = skinseg.data.FolderDataset(folder).subset(plan.validation)
    skinseg.reports.write_training_report("run", images, progress=False)
    page = Path("run", "report.html").read_text(encoding="utf-8")
    assert text not in page and page.count(escape(text)) == 5


def test_dry_run_trains_two_steps_and_leaves_nothing(folder, monkeypatch):
    steps = []
    from skinseg.training.step import Step

    step = Step.__call__
    monkeypatch.setattr(Step, "__call__", lambda self, *args: steps.append(1) or step(self, *args))
    before = sorted(Path().rglob("*"))
    result = run("train", "--data", folder, "--dry-run", *SMALL, "--batch-size", 2)
    assert result.exit_code == 0, result.output
    assert "Plan: 4 training images" in result.stdout
    assert "Estimated time:" in result.stdout
    assert "nothing was written to 'runs/my_data'" in result.stdout
    assert len(steps) == 2
    assert sorted(Path().rglob("*")) == before


# --- what is asked for, and what is chosen -------------------------------------------------------


@pytest.fixture
def calls(monkeypatch) -> list:
    """The calls of the trainer, which does nothing."""
    made = []
    scores = {"pooled_iou": 0.5, "pooled_dice": 0.667, "images": 4}
    log = [{"epoch": 1, "validation": scores}]
    monkeypatch.setattr("skinseg.training.train", lambda *a, **k: made.append((a, k)) or log)
    monkeypatch.setattr("skinseg.planning.rehearsal.rehearse", lambda *a, **k: Rehearsal(1, 1))
    monkeypatch.setattr("skinseg.reports.write_training_report", lambda *a, **k: Path("a report"))
    return made


def test_what_is_asked_for_reaches_the_trainer(folder, calls):
    settings = ["--epochs", 7, "--size", 64, "--batch-size", 3, "--learning-rate", 0.01]
    settings += ["--early-stop", 5, "--seed", 4, "--val-fraction", 0.25, "--from-scratch"]
    settings += ["--optimizer", "muon"]
    result = run("train", "--data", folder, "--output", "a run", *settings, "--quiet")
    assert result.exit_code == 0, result.output
    [((network, train_set, val_set, output, recipe), options)] = calls
    torch.manual_seed(4)
    expected = skinseg.create_model("malunet").state_dict()
    assert all(torch.equal(v, expected[k]) for k, v in network.state_dict().items())
    assert (len(train_set), len(val_set)) == (6, 2)
    assert output == Path("a run")
    assert (recipe.epochs, recipe.size, recipe.batch_size) == (7, 64, 3)
    assert (recipe.learning_rate, recipe.early_stop, recipe.seed) == (0.01, 5, 4)
    assert recipe.optimizer == "muon"
    assert (options["resume"], options["progress"]) == (False, False)
    assert "--model 'local-dir:a run'" in result.stdout


def test_few_images_begin_with_the_bundled_weights(folder, calls):
    result = run("train", "--data", folder)
    assert result.exit_code == 0, result.output
    [((network, _, _, output, recipe), _)] = calls
    expected = skinseg.create_model("malunet", pretrained=True).state_dict()
    assert all(torch.equal(v, expected[k]) for k, v in network.state_dict().items())
    assert output == Path("runs/my_data")
    assert recipe.size == 64  # The images are no larger.
    assert recipe.batch_size == 4
    assert recipe.learning_rate < 1e-3
    assert re.search(r"begins with +malunet\.isic2017 +fewer than 1,000", result.stdout)
    assert re.search(r"size +64 +the images are of about", result.stdout)


def test_recipe_of_a_paper_is_used_as_it_is(folder, calls):
    result = run("train", "--data", folder, "--recipe", "paper-malunet", "-m", "basic_unet_sab")
    assert result.exit_code == 0, result.output
    [((network, _, _, _, recipe), _)] = calls
    assert recipe == skinseg.training.get_recipe("paper-malunet")
    assert re.search(r"epochs +300 +of the recipe paper-malunet", result.stdout)
    assert network.architecture == "basic_unet_sab"
    assert "Note: The recipe paper-malunet was published for malunet" in result.stdout


@pytest.mark.parametrize("network", ["egeunet", "lmsaunet", "malunet"])
def test_recipe_of_a_paper_brings_its_network(folder, calls, network):
    result = run("train", "--data", folder, "--recipe", f"paper-{network}")
    assert result.exit_code == 0, result.output
    [((trained, _, _, _, recipe), _)] = calls
    assert trained.architecture == network
    assert recipe == skinseg.training.get_recipe(f"paper-{network}")
    assert "was published for" not in result.stdout
    again = run("train", "--data", folder, "--recipe", f"paper-{network}", "-m", network)
    assert "was published for" not in again.stdout


def test_recipe_of_a_file_is_used_as_it_is(folder, tmp_path, calls):
    mine = skinseg.training.get_recipe("paper-malunet", epochs=7, size=40)
    (tmp_path / "mine.json").write_text(json.dumps({"model": {}, "recipe": mine.to_dict()}))
    result = run("train", "--data", folder, "--recipe", "mine.json", "-m", "basic_unet_sab")
    assert result.exit_code == 0, result.output
    [((_, _, _, _, recipe), _)] = calls
    assert recipe == mine
    assert re.search(r"epochs +7 +of the recipe mine.json", result.stdout)
    (tmp_path / "mine.json").write_text("{}")
    result = run("train", "--data", folder, "--recipe", "mine.json", "-m", "basic_unet_sab")
    assert result.exit_code == 2
    assert "mine.json does not hold the settings of a recipe" in result.output


def test_validation_folder_with_equal_names_and_a_shared_picture(folder, tmp_path, calls):
    for part in ("images", "masks"):
        (tmp_path / "val" / part).mkdir(parents=True)
    put(tmp_path / "val", 20, "mole (2).png", "mole (2).png")
    put(tmp_path / "val", 3, "turned.png", "turned.png")
    for part in ("images", "masks"):
        file = tmp_path / "val" / part / "turned.png"
        Image.open(file).transpose(Image.Transpose.ROTATE_90).save(file)
    result = run("train", "--data", folder, "--val", "val", *SMALL)
    assert result.exit_code == 0, result.output
    [((_, train_set, val_set, _, _), _)] = calls
    assert val_set.ids == ["val/mole (2)", "val/turned"]
    assert len(train_set) == 7
    assert "mole (2)" in train_set.ids
    assert "patient 7, left arm" not in train_set.ids
    assert "the same picture as the validation image 'val/turned'" in result.stderr


def test_masks_that_are_elsewhere(folder, tmp_path, calls):
    for part in ("images", "masks"):
        (tmp_path / "val" / part).mkdir(parents=True)
    put(tmp_path / "val", 20, "a.png", "a.png")
    (folder / "masks").rename("truth")
    (tmp_path / "val/masks").rename("val_truth")
    data = ("--data", "my_data/images", "--masks", "truth")
    assert run("check", "my_data/images", "--masks", "truth", "-q").exit_code == 0
    result = run(
        "train", *data, "--val", "val/images", "--val-masks", "val_truth", *SMALL, "--quiet"
    )
    assert result.exit_code == 0, result.output
    [((_, train_set, val_set, _, _), _)] = calls
    assert (len(train_set), val_set.ids) == (8, ["a"])
    assert train_set.mask_path(0).parent == Path("truth")
    result = run("train", *data, "--val-masks", "val_truth", *SMALL)
    assert result.exit_code == 2
    assert "--val-masks are the masks of --val; name that, too" in result.stderr
    result = run("check", "my_data/images", "-q")
    assert result.exit_code == 2
    assert "two folders, the second with --masks" in result.stderr


def test_label_masks_are_refused_unless_all_labels_are_lesion(folder, calls):
    for part in ("images", "masks"):
        for file in (folder / part).iterdir():
            file.unlink()
    for seed in range(6):
        put(folder, seed, f"{seed}.png", f"{seed}.png", label=2)
        mask = np.array(Image.open(folder / "masks" / f"{seed}.png"))
        mask[: mask.shape[0] // 2] //= 2
        mask[:9, :9] = [[1], [2], [0]] * 3
        Image.fromarray(mask).save(folder / "masks" / f"{seed}.png")
    refused = run("train", "--data", folder, *SMALL, "-q")
    assert refused.exit_code == 1
    assert "0.png' holds 0, 1 and 2, and no value that means lesion" in refused.stderr
    assert not calls
    assert run("check", folder, "-q").exit_code == 1
    assert run("check", folder, "-q", "--any-label").exit_code == 0
    assert run("train", "--data", folder, *SMALL, "-q", "--any-label").exit_code == 0
    [((_, train_set, _, _, _), _)] = calls
    sample = train_set[0]
    np.testing.assert_array_equal(
        sample.mask, np.array(Image.open(folder / "masks" / f"{sample.id}.png")) > 0
    )


def test_masks_of_another_dark_level_are_refused(folder):
    for seed, (image, mask) in enumerate(ODD_NAMES):
        put(folder, seed, image, mask, label=38)
    result = run("train", "--data", folder, *SMALL, "-q")
    assert result.exit_code == 1
    assert "holds 0 and 38, and no value that means lesion" in result.stderr


@pytest.mark.parametrize("values", [(0, 2), (1, 2), (0, 127)])
def test_masks_of_values_that_mean_nothing(folder, values, calls):
    background, lesion = values
    for _, mask in ODD_NAMES[:4]:
        if mask.lower().endswith(".png"):
            labels = np.array(Image.open(folder / "masks" / mask)) > 127
            levels = np.where(labels, lesion, background).astype(np.uint8)
            Image.fromarray(levels).save(folder / "masks" / mask)
    mapping = f"{background}=background,{lesion}=lesion,255=lesion"
    mapping += "" if background == 0 else ",0=background"
    commands = [
        ("check", folder, "-q"),
        ("train", "--data", folder, *SMALL, "-q"),
        ("evaluate", "--data", folder, "-m", "malunet", "-q", "--bootstrap", 0),
    ]
    for command in commands:
        result = run(*command)
        assert result.exit_code == 1, result.output
        assert f"holds {background} and {lesion}, and no value that means lesion" in result.output
        assert f"--labels {background}=background,{lesion}=lesion" in result.output
        said = run(*command, "--labels", mapping)
        assert said.exit_code == 0, said.output
    assert len(calls) == 1
    wrong = run(*commands[0], "--labels", "0=skin")
    assert wrong.exit_code == 2
    assert "as 0=background,2=lesion" in wrong.stderr


# --- check and train agree -----------------------------------------------------------------------


def _few(folder: Path) -> None:
    for _, mask in ODD_NAMES[2:]:
        (folder / "masks" / mask).unlink()


def _all_empty(folder: Path) -> None:
    for _, mask in ODD_NAMES:
        with Image.open(folder / "masks" / mask) as picture:
            size = picture.size
        Image.new("L", size).save(folder / "masks" / mask)


def _all_broken(folder: Path) -> None:
    for image, _ in ODD_NAMES:
        (folder / "images" / image).write_bytes(b"no image")


def _one_picture(folder: Path) -> None:
    for image, mask in ODD_NAMES:
        put(folder, 0, image, mask)


def _labels(folder: Path) -> None:
    put(folder, 1, *ODD_NAMES[1], label=2)


@pytest.mark.parametrize("strict", [[], ["--strict"]])
@pytest.mark.parametrize(
    ("spoil", "sentence", "refused_with"),
    [
        (lambda folder: None, None, []),
        (break_one, "Something is broken", [["--strict"]]),
        (_labels, "1 mask of values that mean nothing", [[], ["--strict"]]),
        (_few, "2 images can be used, of 2 different pictures", [[]]),
        (_all_empty, "No mask marks a lesion.", [[], ["--strict"]]),
        (_all_broken, "Nothing can be trained on.", [[], ["--strict"]]),
        (_one_picture, "8 images can be used, of 1 different picture;", [[], ["--strict"]]),
    ],
)
def test_check_fails_on_what_train_refuses(folder, calls, spoil, sentence, refused_with, strict):
    spoil(folder)
    checked = run("check", folder, "-q", *strict)
    trained = run("train", "--data", folder, *SMALL, "-q", *strict)
    refused = int(strict in refused_with or spoil is _few)
    assert (checked.exit_code, trained.exit_code) == (refused, refused)
    if refused:
        sentence = "Something is broken" if spoil is _few and strict else sentence
        assert sentence in checked.stderr
        assert sentence in trained.stderr


# --- interrupted and finished runs ---------------------------------------------------------------


def test_interrupted_run_goes_on_as_it_was_planned(folder, monkeypatch):
    def interrupt(self, entry):
        raise KeyboardInterrupt

    command = ["train", "--data", folder, "--output", "run", *SMALL, "--epochs", 2]
    with monkeypatch.context() as patch:
        patch.setattr(EpochLines, "on_epoch", interrupt)
        stopped = run(*command, "--seed", 3)
    assert stopped.exit_code == 130
    assert "--resume goes on" in stopped.stderr
    planned = Path("run/plan.json").read_bytes()
    # A picture that has come since does not move the others across the split.
    put(folder, 50, "new.png", "new.png")
    resumed = run(*command, "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert "Going on with the run in 'run'" in resumed.stdout
    assert Path("run/plan.json").read_bytes() == planned
    assert [entry["epoch"] for entry in json.loads(Path("run/log.json").read_text())] == [1, 2]
    assert Path("run/report.html").is_file()


def test_interrupted_before_the_training_begins(folder, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("skinseg.data.checks.read_image", interrupt)
    stopped = run("train", "--data", folder, "--output", "run", *SMALL, "-q")
    assert stopped.exit_code == 130
    assert "interrupted; training had not begun, and no file was changed." in stopped.stderr
    assert not Path("run").exists()


def test_the_best_epoch_before_an_interruption_is_still_the_best(tmp_path, capsys):
    def entry(epoch: int, iou: float) -> dict:
        return {"epoch": epoch, "loss": 0.5, "validation": {"pooled_iou": iou}}

    (tmp_path / "log.json").write_text(json.dumps([entry(1, 0.8), entry(2, 0.7)]))
    (tmp_path / "checkpoint.pt").touch()
    EpochLines(3, tmp_path).on_epoch(entry(3, 0.75))
    assert "validation IoU 0.7500, best 0.8000" in capsys.readouterr().err
    EpochLines(3, tmp_path / "new").on_epoch(entry(1, 0.6))
    assert "validation IoU 0.6000, best 0.6000" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["runs/first", r"runs\new", 'the "best" run'])
def test_the_python_of_a_report_names_the_folder(name):
    [line] = [unescape(line) for line in use_lines(Path(name)) if "skinseg.Predictor" in line]
    [call] = re.findall(r"skinseg\.Predictor\((.*)\)\(\"image", line)
    assert ast.literal_eval(call) == f"local-dir:{name}"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"keep": "best"}, "Best epoch: 2 of 3, lesion IoU 0.6000,"),
        (
            {"keep": "lowest_loss"},
            "Epoch of the lowest validation loss: 1 of 3, lesion IoU 0.5000,",
        ),
        ({"keep": "last"}, "Last epoch, which was kept: 3 of 3, lesion IoU 0.4000,"),
        ({"keep": "last", "early_stop": 1}, "Last epoch, which was kept: 3 of 3,"),
    ],
)
def test_the_result_is_that_of_the_epoch_that_was_kept(settings, said, capsys):
    log = [
        {"epoch": epoch, "validation": {**scores, "images": 4, "pooled_dice": 0.7}}
        for epoch, scores in enumerate(
            (
                {"pooled_iou": 0.5, "loss": 0.2},
                {"pooled_iou": 0.6, "loss": 0.3},
                {"pooled_iou": 0.4, "loss": 0.4},
            ),
            start=1,
        )
    ]
    show_result(log, Recipe(**settings), Path("run"), Path("report.html"))
    told = capsys.readouterr().out
    role = "chose it" if settings["keep"] != "last" else "did not choose it"
    role = "could end the run early" if "early_stop" in settings else role
    assert said in told
    assert f"on 4 validation images, which {role}." in told


def test_the_report_of_a_run_that_keeps_the_last_epoch(folder):
    recipe = skinseg.training.get_recipe("skinseg", keep="last", epochs=1, size=32, batch_size=4)
    Path("last.json").write_text(json.dumps(recipe.to_dict()))
    options = ["--recipe", "last.json", "-m", "basic_unet_sab", "-q"]
    result = run("train", "--data", folder, "--output", "run", *options)
    assert "validation images, which did not choose it." in result.stdout
    page = Path("run/report.html").read_text(encoding="utf-8")
    assert "which did not choose the epoch: the last one was kept" in page
    assert "chose the epoch" not in page


def test_the_report_of_a_run_without_validation_images(folder):
    images = skinseg.data.FolderDataset(folder)
    recipe = Recipe(epochs=2, size=32, batch_size=4, keep="last")
    network = skinseg.create_model("basic_unet_sab")
    skinseg.training.train(
        network, images.subset(images.ids[:6]), None, "run", recipe, progress=False
    )
    others = images.subset(images.ids[6:])
    page = skinseg.reports.write_training_report("run", others, progress=False).read_text("utf-8")
    assert page.count("<svg") == 3  # Loss, learning rate, histogram.
    assert page.count("<polyline") == 2
    assert ">training</span>" not in page, "a single line needs no key"


def test_fractions_of_lesion_are_percentages():
    sizes = {"least": 64.0, "most": 1024.4}
    facts = {"usable": 2, "width": sizes, "height": sizes}
    facts["lesion_fraction"] = {"least": 0.004, "most": 1.0}
    *_, lesions = rows = _images("Images used", facts).rows
    assert rows[0][1:] == ["64", "1024"]
    assert lesions[1:] == ["0.4%", "100.0%"]


def test_what_a_run_began_with_is_told_where_its_network_is(folder):
    options = ["--model", "malunet", "--size", 32, "--epochs", 1, "-q"]
    assert run("train", "--data", folder, "-o", "run", *options).exit_code == 0
    record = skinseg.hub.read_local_dir("run")
    facts = record.training_data
    sha256 = skinseg.get_pretrained_cfg("malunet").sha256
    assert facts["begins_with"].startswith(f"malunet.isic2017, sha256 {sha256}, trained on ISIC")
    assert facts["images"] == 4
    assert facts["epoch_chosen_by"] == "4 validation images"
    [scores] = record.metrics
    assert scores["data"] == "validation images of the run, which chose the epoch"
    assert scores["pooled_iou"] >= 0
    assert "loss" not in scores
    assert "loss" in json.loads(Path("run/log.json").read_text())[0]["validation"]
    card = skinseg.hub.model_card(record, "local-dir:run")
    told = " ".join(run("info", "local-dir:run", "--size", 32).stdout.split())
    for text in ("begins with: malunet.isic2017, sha256", "images: 4", "4 validation images"):
        assert text in card
        assert text in told
    assert "| loss |" not in card
    assert "type: loss" not in card

    scratch = ["--from-scratch", "-o", "scratch"]
    assert run("train", "--data", folder, *scratch, *options).exit_code == 0
    facts = skinseg.hub.read_local_dir("scratch").training_data
    assert facts["begins_with"] == "random weights"


def test_finished_run_is_not_overwritten(folder):
    command = ["train", "--data", folder, "--output", "run", *SMALL, "-q"]
    assert run(*command).exit_code == 0
    log = Path("run/log.json").read_text()
    plan = TrainingPlan.read("run")
    assert json.loads(Path("run/recipe.json").read_text())["recipe"] == plan.recipe.to_dict()
    assert not set(plan.train) & set(plan.validation)
    assert len(plan.train) + len(plan.validation) == len(ODD_NAMES)
    again = run(*command)
    assert again.exit_code == 2
    assert "--resume goes on with it" in again.stderr
    other = run(*command, "--resume", "--epochs", 5)
    assert other.exit_code == 2
    assert "was begun with --epochs 1, not 5" in other.stderr
    other = run(*command, "--resume", "--model", "egeunet")
    assert "was begun with --model basic_unet_sab, not egeunet" in other.stderr
    assert run(*command, "--resume").exit_code == 0
    assert Path("run/log.json").read_text() == log


def test_masks_mean_what_they_meant_when_the_run_was_begun(folder):
    for mask in (folder / "masks").iterdir():
        with Image.open(mask) as opened:
            levels = np.asarray(opened.convert("L")) > 127
        Image.fromarray(levels.astype(np.uint8) * 2).save(mask)
    labels = ["--labels", "0=background,2=lesion"]
    command = ["train", "--data", folder, "--output", "run", *SMALL, "-q"]
    begun = run(*command, *labels)
    assert begun.exit_code == 0, begun.output
    report = Path("run/report.html").read_text(encoding="utf-8")
    # As with other options, what is not given is as it was.
    again = run(*command, "--resume")
    assert again.exit_code == 0, again.output
    assert Path("run/report.html").read_text(encoding="utf-8") == report
    assert run(*command, "--resume", "--labels", "2=lesion,0=background").exit_code == 0
    other = run(*command, "--resume", "--labels", "0=background,1=lesion")
    said = "was begun with --labels 0=background,2=lesion, not 0=background,1=lesion; leave"
    assert said in " ".join(other.stderr.split())
    other = run(*command, "--resume", "--any-label")
    assert "was begun without --any-label; leave --any-label out" in " ".join(other.stderr.split())


def test_a_run_goes_on_with_the_split_and_the_weights_that_it_began_with(folder, tmp_path):
    command = ["train", "--data", folder, "--output", "run", *SMALL, "-q"]
    assert run(*command).exit_code == 0
    plan = TrainingPlan.read("run")
    for options, says in (
        (["--val-fraction", 0.4], "was begun without --val-fraction; leave --val-fraction out"),
        (["--pretrained"], "'run' began with random weights; leave --pretrained out"),
    ):
        refused = run(*command, "--resume", *options)
        assert refused.exit_code == 2
        assert says in " ".join(refused.stderr.split())
    assert run(*command, "--resume", "--from-scratch").exit_code == 0
    lines = [f"{plan.train[0]},p1", f"{plan.validation[0]},p1"]
    patients = tmp_path / "patients.csv"
    patients.write_text("\n".join(lines), encoding="utf-8")
    refused = run(*command, "--resume", "--groups", patients)
    assert refused.exit_code == 2
    assert "images of 1 group, p1 among them, are on both sides" in " ".join(refused.stderr.split())
    patients.write_text("\n".join(lines).replace("p1", "p2", 1), encoding="utf-8")
    assert run(*command, "--resume", "--groups", patients).exit_code == 0


def test_masks_and_validation_images_are_where_they_were(folder):
    for part in ("images", "masks"):
        Path("val", part).mkdir(parents=True)
    for seed in range(20, 24):
        put(Path("val"), seed, f"{seed}.png", f"{seed}.png")
    shutil.move(folder / "masks", "elsewhere")
    shutil.move("val/masks", "val_elsewhere")
    apart = ["--masks", "elsewhere", "--val", "val", "--val-masks", "val_elsewhere"]
    command = ["train", "--data", folder, "--output", "run", *SMALL]
    begun = run(*command, *apart, "-q")
    assert begun.exit_code == 0, begun.output
    resumed = run(*command, "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert "8 training images, 4 validation images" in resumed.stdout


def test_one_process_at_a_time_trains_in_a_folder(folder):
    code = (
        "import sys\n"
        "from skinseg.folder_lock import folder_lock\n"
        "with folder_lock('run'):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = ["train", "--data", folder, "--output", "run", *SMALL, "-q"]
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as other:
        assert other.stdout.readline() == "held\n"
        refused = run(*command)
        assert refused.exit_code == 1
        assert "another process writes into run" in refused.stderr
        assert {path.name for path in Path("run").iterdir()} == {".lock"}
        other.communicate("")
    assert run(*command).exit_code == 0


# --- what is wrong -------------------------------------------------------------------------------

WRONG = {
    "no folder": (["--data", "nowhere"], "No folder 'nowhere'"),
    "model": (["--model", "malunett"], "did you mean malunet"),
    "weights": (
        ["--pretrained"],
        "there are no trained weights of this network; leave --pretrained out",
    ),
    "recipe": (["--recipe", "paper"], "there is no recipe 'paper'"),
    "size": (["--size", 8], "--size must be at least 32, not 8"),
    "epochs": (["--epochs", 0], "--epochs must be at least 1, not 0"),
    "rate": (["--learning-rate", "nan"], "--learning-rate must be above 0 and finite, not nan"),
    "seed": (["--seed", -1], "--seed must be at least 0, not -1"),
    "fraction": (["--val-fraction", 1], "--val-fraction must be above 0 and below 1, not 1"),
    "too few": (["--val-fraction", 0.01], "Too few images to split by 0.99 and 0.01: of "),
    "device": (["--device", "cuda:77"], "device 'cuda:77' cannot be used"),
    "output": (["--output", "my_data/images/[10].png"], "is a file"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_is_explained_and_writes_nothing(folder, case):
    options, message = WRONG[case]
    result = run("train", "--data", folder, "--output", "run", *SMALL, "-q", *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not Path("run").exists()


def test_strict_refuses_a_broken_file(folder):
    break_one(folder)
    result = run("train", "--data", folder, "--output", "run", *SMALL, "-q", "--strict")
    assert result.exit_code == 1
    assert "Läsion 1.JPG': the file is truncated" in result.stderr
    assert "only without --strict is it left out" in result.stderr
    assert not Path("run").exists()


def test_too_few_usable_images_are_named(folder):
    for _, mask in ODD_NAMES[2:]:
        (folder / "masks" / mask).unlink()
    result = run("train", "--data", folder, *SMALL, "-q")
    assert result.exit_code == 1
    assert "2 images can be used" in result.stderr
    assert "x  y.PNG' has no mask" in result.stderr


def test_folder_with_the_same_picture_many_times(folder):
    for image, mask in ODD_NAMES:
        put(folder, 0, image, mask)
    result = run("train", "--data", folder, *SMALL, "-q")
    assert result.exit_code == 1
    assert "8 images can be used, of 1 different picture;" in result.stderr
