"""Evaluation of networks on data sets, in Python and as a command."""

import base64
import csv
import dataclasses
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from command import run
from PIL import Image
from safetensors.torch import save_file
from torch import nn

import skinseg
from skinseg.csv_files import unguarded
from skinseg.data import (
    DatasetError,
    FolderDataset,
    ImageError,
    Sample,
    SegmentationDataset,
    SyntheticDermoscopy,
    open_dataset,
    read_mask,
    synthetic_lesion,
    write_png,
)
from skinseg.evaluation import (
    DEFINITIONS,
    EvaluationResult,
    evaluate,
    score_case,
    summarize,
)
from skinseg.files import write_json
from skinseg.inference import Postprocessing, Predictor
from skinseg.metrics import ConfusionCounts, bootstrap_weights, overlap_scores, percentile_interval
from skinseg.pretrained import PretrainedCfg, file_hash
from skinseg.reports import (
    draw_gallery,
    evaluation_html,
    evaluation_markdown,
    evaluation_tables,
    write_evaluation_report,
)
from skinseg.reports.gallery import PREDICTED_COLOR, TRUE_COLOR, choose
from skinseg.training import validate
from skinseg.training.memory_dataset import MemoryDataset

SIZES = [(64, 64), (60, 96), (120, 80), (90, 90), (64, 100), (77, 50)]


class Darkness(nn.Module):
    """Takes what is dark for lesion, which is right often enough."""

    num_classes, in_chans = 1, 3

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.05))
        self.images = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.images += len(x)
        return (110 - x.mean(1, keepdim=True)) * self.scale


def write_folder(root: Path, sizes: list[tuple[int, int]]) -> Path:
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for seed, size in enumerate(sizes):
        image, mask = synthetic_lesion(seed, size)
        write_png(root / "images" / f"case{seed}.png", image)
        write_png(root / "masks" / f"case{seed}.png", mask)
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_folder(tmp_path_factory.mktemp("data") / "lesions", SIZES)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(Darkness(), input_size=(64, 64), batch_size=4)


@pytest.fixture(scope="module")
def report(folder, predictor) -> EvaluationResult:
    dataset = FolderDataset(folder)
    return evaluate(predictor, dataset, bootstrap=200, model="dark <1>", data="six", progress=False)


def counted(predictor: Predictor, dataset: SegmentationDataset) -> ConfusionCounts:
    counts = ConfusionCounts()
    for index in range(len(dataset)):
        sample = dataset[index]
        predicted = predictor(sample.image).mask
        counts.update(torch.from_numpy(predicted)[None], torch.from_numpy(sample.mask)[None])
    return counts


# --- the scores ----------------------------------------------------------------------------------


def test_a_network_is_no_predictor(folder):
    with pytest.raises(TypeError, match=r"skinseg.Predictor, not Darkness; .* Predictor\(network"):
        evaluate(Darkness(), FolderDataset(folder))


def test_own_size_scores_the_predictors_masks(report, folder, predictor):
    expected = counted(predictor, FolderDataset(folder)).scores()
    assert 0.3 < expected.pooled_iou < 0.99
    names = {
        "pooled_iou": expected.pooled_iou,
        "pooled_dice": expected.pooled_dice,
        "pooled_accuracy": expected.accuracy,
        "pooled_sensitivity": expected.sensitivity,
        "pooled_specificity": expected.specificity,
        "mean_iou": expected.mean_iou,
        "mean_dice": expected.mean_dice,
    }
    assert {name: report.score(name, "own") for name in names} == pytest.approx(names)
    assert report.score("mean_iou") == report.score("mean_iou", "own")


def test_model_size_scores_as_the_trainer_does(report, folder, predictor):
    memory = MemoryDataset(FolderDataset(folder), 64, progress=False)
    expected = validate(predictor.model, memory, predictor.normalization).scores
    for name in ("pooled_iou", "pooled_dice", "mean_iou", "mean_dice"):
        assert report.score(name, "model") == pytest.approx(getattr(expected, name))
    assert report.score("pooled_iou", "model") != report.score("pooled_iou", "own")


def test_cases_are_in_order_and_add_up(report):
    cases = report.cases["own"]
    assert [case.id for case in cases] == [f"case{i}" for i in range(len(SIZES))]
    assert [(case.height, case.width) for case in cases] == SIZES
    assert {(case.height, case.width) for case in report.cases["model"]} == {(64, 64)}
    assert [c.counts.sum() for c in cases] == [height * width for height, width in SIZES]
    for name in DEFINITIONS:
        mean = np.mean([case.scores[name] for case in cases])
        assert report.score(f"mean_{name}") == pytest.approx(mean)
    pixels = [c.counts.sum() for c in cases]
    brier = np.average([c.scores["brier"] for c in cases], weights=pixels)
    assert report.score("pooled_brier") == pytest.approx(brier)


def test_an_image_of_the_networks_size_is_predicted_once():
    network = Darkness()
    predictor = Predictor(network, input_size=(64, 64))
    dataset = SyntheticDermoscopy(3, 64)
    both = evaluate(predictor, dataset, bootstrap=0, progress=False)
    assert network.images == 3
    assert both.cases["own"][1] is both.cases["model"][1]
    assert len(evaluation_tables(both)) == 2  # scores, and by lesion size
    evaluate(predictor, SyntheticDermoscopy(3, 80), bootstrap=0, progress=False)
    assert network.images == 3 + 6


@pytest.mark.parametrize("size", ["own", "model"])
def test_one_size_alone_gives_the_same(report, folder, predictor, size):
    alone = evaluate(predictor, FolderDataset(folder), sizes=[size], bootstrap=200, progress=False)
    assert list(alone.summaries) == [size]
    assert alone.summaries[size] == report.summaries[size]


def test_the_batch_size_changes_nothing(report, folder):
    predictor = Predictor(Darkness(), input_size=(64, 64), batch_size=1)
    dataset = FolderDataset(folder)
    again = evaluate(predictor, dataset, bootstrap=200, progress=False)
    for size, summary in report.summaries.items():
        for name, score in summary.scores.items():
            assert again.score(name, size) == pytest.approx(score.value, abs=1e-6)


def test_the_tolerance_is_one_percent_of_the_diagonal_unless_given(report, folder, predictor):
    assert report.cases["own"][0].tolerance == pytest.approx(0.01 * 64 * 2**0.5)
    dataset = FolderDataset(folder)
    wide = evaluate(predictor, dataset, tolerance=9, bootstrap=0, progress=False)
    assert {case.tolerance for case in wide.cases["own"]} == {9}
    assert wide.score("mean_surface_dice") > report.score("mean_surface_dice")


class Pairs(SegmentationDataset):
    """Samples in memory."""

    def __init__(self, samples: list[Sample]) -> None:
        self.samples, self.ids = samples, [sample.id for sample in samples]

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]

    def image_path(self, index: int) -> None:
        return None

    mask_path = image_path

    def _select(self, indices: list[int]) -> "Pairs":
        return Pairs([self.samples[index] for index in indices])


def test_images_without_lesion(predictor):
    white = np.full((64, 64, 3), 255, np.uint8)
    image, mask = synthetic_lesion(0, (64, 64))
    empty = np.zeros((64, 64), bool)
    # A white image stretches to zeros, which are dark: all of it is taken for lesion.
    samples = [Sample("hit", image, mask), Sample("skin", image, empty), Sample("w", white, empty)]
    report = evaluate(predictor, Pairs(samples), bootstrap=50, progress=False)
    hit, skin, w = report.cases["own"]
    assert hit.lesion_size in ("small", "medium", "large")
    assert skin.lesion_size == w.lesion_size == "none"
    assert (skin.scores["dice"], skin.scores["surface_dice"]) == (0, 0)
    assert skin.scores["hd95"] == w.scores["hd95"] == pytest.approx(64 * 2**0.5)
    assert w.counts.tolist() == [0, 64 * 64, 0, 0]
    assert report.lesion_sizes["own"]["none"].images == 2
    json.dumps(report.to_dict(), allow_nan=False)


def test_names_that_are_not_utf8_are_written(predictor, tmp_path):
    image, mask = synthetic_lesion(0, (64, 64))
    dataset = Pairs([Sample("caf\udce9", image, mask)])
    report = evaluate(predictor, dataset, bootstrap=0, progress=False)
    write_evaluation_report(report, tmp_path, draw_gallery(predictor, dataset, report))
    assert "caf\ufffd" in (tmp_path / "gallery.html").read_text(encoding="utf-8")


# --- intervals and groups ------------------------------------------------------------------------


def test_pooled_intervals_pool_each_resample_anew(report):
    cases = report.cases["own"]
    pooled = []
    for weights in bootstrap_weights(len(cases), 200, seed=0):
        drawn = [c.counts for c, times in zip(cases, weights, strict=True) for _ in range(times)]
        pooled.append(float(overlap_scores(sum(drawn))["iou"]))
    score = report.summaries["own"].scores["pooled_iou"]
    assert (score.low, score.high) == pytest.approx(percentile_interval(np.array(pooled)))
    assert score.low < score.value < score.high


def test_mean_intervals_average_each_resample(report):
    cases = report.cases["own"]
    weights = bootstrap_weights(len(cases), 200, seed=0)
    for name in DEFINITIONS:
        values = np.array([case.scores[name] for case in cases])
        means = [float(np.repeat(values, times).mean()) for times in weights]
        score = report.summaries["own"].scores[f"mean_{name}"]
        assert score.value == pytest.approx(values.mean())
        assert (score.low, score.high) == pytest.approx(percentile_interval(np.array(means)))


def test_intervals_follow_the_seed(report):
    cases = report.cases["own"]
    assert summarize(cases, bootstrap=200, seed=0) == report.summaries["own"]
    other = summarize(cases, bootstrap=200, seed=1).scores["mean_dice"]
    score = report.summaries["own"].scores["mean_dice"]
    assert other.value == score.value
    assert (other.low, other.high) != (score.low, score.high)
    bare = summarize(cases, bootstrap=0).scores["mean_dice"]
    assert (bare.value, bare.low, bare.high) == (score.value, None, None)


@pytest.mark.parametrize(
    ("fraction", "group"),
    [
        (0, "none"),
        (1e-6, "small"),
        (0.0499, "small"),
        (0.05, "medium"),
        (0.1999, "medium"),
        (0.2, "large"),
        (1.0, "large"),
    ],
)
def test_lesion_sizes(fraction, group):
    mask = np.zeros((8, 8), bool)
    case = score_case("x", mask.astype(float), mask, mask, lesion_fraction=fraction)
    assert case.lesion_size == group


def test_groups_share_out_the_images(report):
    for size, groups in report.lesion_sizes.items():
        assert sum(group.images for group in groups.values()) == len(SIZES)
        for name, group in groups.items():
            cases = [case for case in report.cases[size] if case.lesion_size == name]
            assert group == summarize(cases, bootstrap=200, seed=0)
    # A lesion belongs to one group, whichever size it is scored at.
    own, model = ([c.lesion_fraction for c in report.cases[s]] for s in ("own", "model"))
    assert own == model


# --- what is written -----------------------------------------------------------------------------


class Page(HTMLParser):
    """Collects what a page loads and says."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.images: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "img":
            self.images.append(attributes["src"])
        self.links += [v for k, v in attributes.items() if k in ("href", "src") and tag != "img"]
        if tag not in ("img", "meta", "line", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("line", "rect"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_what_a_result_says_of_itself(report):
    own, model = (
        f"{report.score('pooled_iou', size):.3f}, mean Dice {report.score('mean_dice', size):.3f}"
        for size in ("own", "model")
    )
    assert repr(report) == (
        f"<EvaluationResult: dark <1> on six, {len(SIZES)} images; own size: pooled IoU {own}; "
        f"model size: pooled IoU {model}>"
    )


def test_json_holds_everything(report, tmp_path):
    write_evaluation_report(report, tmp_path)
    data = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    assert (data["model"], data["data"], data["images"]) == ("dark <1>", "six", len(SIZES))
    assert data["settings"]["threshold"] == 0.5
    assert data["settings"]["input_size"] == [64, 64]
    for size, summary in report.summaries.items():
        assert data["scores"][size] == {
            name: dataclasses.asdict(score) for name, score in summary.scores.items()
        }
    per_image = data["per_image"]["own"]
    assert [entry["id"] for entry in per_image] == [f"case{i}" for i in range(len(SIZES))]
    assert set(DEFINITIONS) <= set(per_image[0])
    names = {re.sub("^(pooled|mean)_", "", name) for name in data["scores"]["own"]}
    assert names == set(data["definitions"])


def test_markdown_shows_the_figures(report):
    text = evaluation_markdown(report)
    score = report.summaries["own"].scores["pooled_iou"]
    assert f"{score.value:.4f} ({score.low:.4f}-{score.high:.4f})" in text
    assert "at their own size" in text
    assert "at the network's size (64 x 64)" in text
    wide = dataclasses.replace(report, settings={**report.settings, "input_size": [48, 96]})
    assert "at the network's size (96 x 48)" in evaluation_markdown(wide)
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert len(tables) == 4
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_page_stands_alone(report, folder, predictor):
    html = evaluation_html(report, draw_gallery(predictor, FolderDataset(folder), report, 2))
    page = Page(html)
    assert not page.open
    assert page.links == []
    assert not re.search(r"https?:|@import|url\(|<script", html)
    assert "dark <1>" in page.text
    assert "dark <1>" not in html
    for word in ("Worst", "Median", "Best", "true outline", "predicted outline", "case0"):
        assert word in page.text
    assert "prefers-color-scheme: dark" in html
    assert len(page.images) == 2 * 6
    for source in page.images:
        kind, _, content = source.partition(",")
        assert kind == "data:image/jpeg;base64"
        Image.open(io.BytesIO(base64.b64decode(content))).load()


def test_pictures_have_both_outlines_in_their_places(folder, predictor):
    dataset = FolderDataset(folder).subset(["case1"])
    report = evaluate(predictor, dataset, bootstrap=0, progress=False)
    [picture] = draw_gallery(predictor, dataset, report, 1)["worst"]
    drawn = np.asarray(Image.open(io.BytesIO(picture.outlined)), float)
    plain = np.asarray(Image.open(io.BytesIO(picture.plain)), float)
    assert drawn.shape == plain.shape == (picture.size[1], picture.size[0], 3)
    masks = {TRUE_COLOR: dataset[0].mask, PREDICTED_COLOR: predictor(dataset[0].image).mask}
    scale = picture.size[0] / dataset[0].mask.shape[1]
    for color, mask in masks.items():
        colored = np.abs(drawn - color).max(2) < 60
        assert colored.sum() > 100
        rows, columns = np.nonzero(colored)
        small = mask[
            np.minimum((rows / scale).astype(int), mask.shape[0] - 1),
            np.minimum((columns / scale).astype(int), mask.shape[1] - 1),
        ]
        # A line along the border has the mask on one side and skin on the other.
        assert 0.2 < small.mean() < 0.9
    unchanged = np.abs(drawn - plain).max(2) < 25
    assert unchanged.mean() > 0.5


def case_of(dice: float, name: str):
    mask = np.zeros((8, 8), bool)
    case = score_case(name, mask.astype(float), mask, mask)
    return dataclasses.replace(case, scores={**case.scores, "dice": dice})


@pytest.mark.parametrize(
    ("count", "number", "expected"),
    [
        (9, 2, {"worst": [0, 1], "median": [3, 4], "best": [8, 7]}),
        (7, 1, {"worst": [0], "median": [3], "best": [6]}),
        (6, 4, {"worst": [0, 1], "median": [2, 3], "best": [5, 4]}),
        (3, 4, {"worst": [0], "median": [1], "best": [2]}),
        (2, 4, {"worst": [0], "best": [1]}),
        (1, 4, {"worst": [0]}),
        (5, 0, {}),
    ],
)
def test_choice_of_cases(count, number, expected):
    cases = [case_of(index / 10, str(index)) for index in range(count)]
    assert choose(cases, number) == expected


def test_files_are_replaced_whole(report, tmp_path, monkeypatch):
    write_evaluation_report(report, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == {"evaluation.json", "evaluation.md", "gallery.html", "per_image.csv"}

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="No space"):
        write_evaluation_report(report, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


# --- the data argument ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def official(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("official")
    for split, ids in {"Training": (0, 1), "Validation": (2,)}.items():
        for kind in ("Data", "Part1_GroundTruth"):
            (root / f"ISIC-2017_{split}_{kind}").mkdir()
        for seed in ids:
            image, mask = synthetic_lesion(seed, (64, 64))
            name = f"ISIC_000000{seed}"
            write_png(root / f"ISIC-2017_{split}_Data" / f"{name}.png", image)
            masks = root / f"ISIC-2017_{split}_Part1_GroundTruth"
            write_png(masks / f"{name}_segmentation.png", mask)
    return root


def test_official_layouts(official, tmp_path):
    assert len(open_dataset(f"isic2017:{official}:train")) == 2
    assert open_dataset(f"ISIC2017:{official}:val").ids == ["ISIC_0000002"]
    both = f"isic2017:{official}:train+val"
    assert len(open_dataset(both)) == 3
    split = tmp_path / "split.txt"
    split.write_text("ISIC_0000002\nISIC_0000000\n")
    chosen = open_dataset(both, split_file=split)
    assert chosen.ids == ["ISIC_0000002", "ISIC_0000000"]
    np.testing.assert_array_equal(chosen[1].mask, synthetic_lesion(0, (64, 64))[1])


def test_plain_folders(folder, tmp_path):
    assert len(open_dataset(folder)) == len(SIZES)
    apart = open_dataset(str(folder / "images"), masks=folder / "masks")
    assert apart.ids == open_dataset(str(folder)).ids
    colon = write_folder(tmp_path / "a:b", SIZES[:1])
    assert len(open_dataset(colon)) == 1


def test_data_that_cannot_be_opened(official, folder):
    with pytest.raises(DatasetError, match=r"names no split.*isic2017:FOLDER:SPLIT"):
        open_dataset(f"isic2017:{official}")
    with pytest.raises(DatasetError, match="no split 'dev'"):
        open_dataset(f"isic2017:{official}:dev")
    with pytest.raises(DatasetError, match="no folder"):
        open_dataset(f"isic2018:{official}:train")
    with pytest.raises(DatasetError, match="PH2: no folder"):
        open_dataset(f"ph2:{official}")
    with pytest.raises(DatasetError, match=f"write isic2017:{re.escape(str(official))}:SPLIT"):
        open_dataset(official)
    with pytest.raises(DatasetError, match="has its masks in it"):
        open_dataset(f"isic2017:{official}:val", masks=folder)


# --- misuse --------------------------------------------------------------------------------------


def test_misuse(predictor, folder, tmp_path):
    dataset = FolderDataset(folder)
    with pytest.raises(ValueError, match=r"sizes must be 'own', 'model' or both, not \['big'\]"):
        evaluate(predictor, dataset, sizes=["big"])
    with pytest.raises(ValueError, match="tolerance must be 0 or more pixels, not -1"):
        evaluate(predictor, dataset, tolerance=-1)
    with pytest.raises(ValueError, match=r"bootstrap must be 0 or more resamples, not -5"):
        evaluate(predictor, dataset, bootstrap=-5)
    with pytest.raises(ValueError, match="has no images"):
        evaluate(predictor, Pairs([]))
    partial = write_folder(tmp_path / "partial", SIZES[:2])
    (partial / "masks" / "case1.png").unlink()
    with pytest.raises(DatasetError, match=r"No mask: 1 of 2 images, the first '.*case1\.png'"):
        evaluate(predictor, FolderDataset(partial), progress=False)


def test_a_broken_file_spoils_the_evaluation(predictor, tmp_path):
    broken = write_folder(tmp_path / "broken", SIZES[:3])
    (broken / "images" / "case1.png").write_bytes(b"")
    with pytest.raises(ImageError, match=r"case1\.png"):
        evaluate(predictor, FolderDataset(broken), progress=False)


def test_an_image_that_shows_no_lesion_is_named(predictor, tmp_path):
    small = write_folder(tmp_path / "small", SIZES[:3])
    for part in ("images", "masks"):
        file = small / part / "case1.png"
        Image.open(file).resize((6, 12)).save(file)
    with pytest.raises(ImageError, match=r"'case1' is 6 x 12 pixels; a lesion needs at least"):
        evaluate(predictor, FolderDataset(small), progress=False)


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    file = folder / "basic_unet.small.safetensors"
    save_file(skinseg.create_model("basic_unet").state_dict(), file)
    record = PretrainedCfg(
        architecture="basic_unet", tag="small", sha256=file_hash(file), input_size=(3, 64, 64)
    )
    write_json(file.with_suffix(".json"), record.to_dict())
    return folder


@pytest.fixture
def network(weights, monkeypatch, no_weights_of_the_user) -> str:
    monkeypatch.setenv("SKINSEG_WEIGHTS", str(weights))
    return "basic_unet.small"


def test_command_prints_and_writes(folder, network, tmp_path):
    out = tmp_path / "new" / "results"
    result = run(
        "evaluate", "--data", folder, "--model", network, "--output", out, "--bootstrap", 50
    )
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == [
        "evaluation.json",
        "evaluation.md",
        "gallery.html",
        "per_image.csv",
    ]
    data = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert data["model"] == network
    assert data["settings"]["bootstrap"] == 50
    assert data["settings"]["weights_sha256"] == skinseg.get_pretrained_cfg(network).sha256
    score = data["scores"]["own"]["pooled_iou"]["value"]
    assert f"{score:.4f}" in result.stdout
    assert "Lesion IoU" in result.stdout
    assert "gallery.html" in result.stdout.replace("\n", "")
    counts = counted(Predictor(network), FolderDataset(folder))
    assert score == pytest.approx(counts.scores().pooled_iou, abs=1e-9)


def test_command_options(folder, network, tmp_path):
    out, split = tmp_path / "out", tmp_path / "split.txt"
    split.write_text("case4\ncase2\n")
    arguments = ("--data", folder, "--model", network, "--output", out, "--split-file", split)
    chosen = ("--size", "model", "--threshold", 0.3, "--tta", "--tolerance", 2, "--bootstrap", 0)
    result = run("evaluate", *arguments, *chosen, "--gallery", 1, "--batch-size", 1, "--quiet")
    assert result.exit_code == 0, result.output
    assert result.output == ""
    data = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert [entry["id"] for entry in data["per_image"]["model"]] == ["case4", "case2"]
    assert list(data["scores"]) == ["model"]
    assert data["scores"]["model"]["mean_dice"]["low"] is None
    settings = data["settings"]
    assert (settings["threshold"], settings["tta"], settings["surface_tolerance"]) == (0.3, True, 2)
    assert data["gallery"].keys() == {"worst", "best"}


def test_command_without_output_writes_nothing(folder, network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("evaluate", "--data", folder, "--model", network, "--bootstrap", 0)
    assert result.exit_code == 0, result.output
    assert "Lesion Dice" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_quiet_command_without_output_prints_the_scores_alone(folder, network):
    result = run("evaluate", "--data", folder, "--model", network, "--bootstrap", 0, "-q")
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert not set(result.stdout) & set("┃│━─┏┌…")
    rows = [line.split() for line in lines if line.startswith("Lesion IoU  ")]
    assert [len(row) for row in rows] == [4, 4]  # At both sizes: name, pooled, mean.


def test_command_as_json(folder, network, tmp_path):
    arguments = ("--data", folder, "--model", network, "--bootstrap", 0, "--json")
    result = run("evaluate", *arguments, "--output", tmp_path / "out")
    written = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))
    assert json.loads(result.stdout) == {k: v for k, v in written.items() if k != "gallery"}


def test_scores_of_each_image_as_csv(report, tmp_path):
    with open(write_evaluation_report(report, tmp_path)[3], newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for size, cases in report.cases.items():
        mine = [row for row in rows if row["size"] == size]
        assert [unguarded(row["id"]) for row in mine] == [case.id for case in cases]
        for row, case in zip(mine, cases, strict=True):
            assert float(row["hd95"]) == case.scores["hd95"]
            assert int(row["true_positives"]) == case.counts[0]


def test_no_name_of_an_image_is_a_formula(report, tmp_path):
    evil = dataclasses.replace(report.cases["own"][0], id="=HYPERLINK(1)")
    changed = dataclasses.replace(report, cases={"own": [evil]})
    text = write_evaluation_report(changed, tmp_path)[3].read_text(encoding="utf-8")
    assert "own,'=HYPERLINK(1)," in text


def test_post_processed_masks_are_scored_both_ways(folder, predictor, report, tmp_path):
    plain = predictor.postprocessing
    predictor.postprocessing = Postprocessing(largest_component=True, fill_holes=True)
    try:
        both = evaluate(predictor, FolderDataset(folder), bootstrap=0, progress=False)
    finally:
        predictor.postprocessing = plain
    without = both.without_postprocessing
    assert report.without_postprocessing is None
    assert without.score("mean_dice", "own") == report.score("mean_dice", "own")
    assert both.score("pooled_accuracy", "own") != without.score("pooled_accuracy", "own")
    assert (both.settings["fill_holes"], without.settings["fill_holes"]) == (True, False)
    score = both.to_dict()["without_postprocessing"]["scores"]["own"]["mean_dice"]["value"]
    assert score == report.score("mean_dice", "own")
    titles = [table.title for table in evaluation_tables(both)]
    assert "All images, at their own size, without post-processing" in titles
    assert "fill holes, largest component" in evaluation_markdown(both)
    lines = write_evaluation_report(both, tmp_path)[3].read_text(encoding="utf-8").splitlines()
    ways = [line.split(",")[1] for line in lines[1:]]
    assert ways == ["yes"] * 12 + ["no"] * 12


def test_command_scores_both_ways(folder, network):
    options = ("--largest-component", "--fill-holes", "--size", "own", "--bootstrap", 0, "--json")
    data = json.loads(run("evaluate", "--data", folder, "--model", network, *options).stdout)
    settings = data["settings"]
    assert (settings["largest_component"], settings["fill_holes"]) == (True, True)
    assert list(data["without_postprocessing"]["scores"]) == ["own"]


def test_command_with_tiles_scores_at_own_size(folder, network):
    options = ("--data", folder, "--model", network, "--bootstrap", 0, "--tile", 40)
    data = json.loads(run("evaluate", *options, "--json").stdout)
    assert (data["settings"]["tile"], list(data["scores"])) == (40, ["own"])
    predictor = Predictor(network, tile=40)
    expected = evaluate(
        predictor, FolderDataset(folder), sizes=["own"], bootstrap=0, progress=False
    ).score("mean_dice")
    assert data["scores"]["own"]["mean_dice"]["value"] == pytest.approx(expected)
    assert "Tiles of 40 x 40 pixels." in evaluation_markdown(
        evaluate(predictor, FolderDataset(folder), sizes=["own"], bootstrap=0, progress=False)
    )
    assert run("evaluate", *options, "--size", "model").exit_code == 2
    with pytest.raises(ValueError, match="at their own size"):
        evaluate(predictor, FolderDataset(folder), progress=False)


def test_command_says_what_is_wrong(folder, network, tmp_path):
    wrong = {
        "No folder": ("--data", tmp_path / "none", "--model", network),
        "names no split": ("--data", f"isic2017:{folder}", "--model", network),
        "no network 'malunte'": ("--data", folder, "--model", "malunte"),
        "threshold must be": ("--data", folder, "--model", network, "--threshold", 2),
        "device 'abc'": ("--data", folder, "--model", network, "--device", "abc"),
        "Cannot read the split file": ("--data", folder, "-m", network, "--split-file", "none.txt"),
    }
    for message, arguments in wrong.items():
        result = run("evaluate", *arguments)
        assert result.exit_code == 2, message
        assert message.lower() in result.stderr.lower().replace("\n", " "), result.stderr


def test_command_fails_where_files_do(folder, network, tmp_path):
    occupied = tmp_path / "file"
    occupied.touch()
    result = run("evaluate", "--data", folder, "--model", network, "--output", occupied)
    assert result.exit_code == 1
    assert "cannot write to the output folder" in result.stderr
    broken = write_folder(tmp_path / "broken", SIZES[:2])
    (broken / "masks" / "case0.png").write_bytes(b"no image")
    out = tmp_path / "out"
    result = run("evaluate", "--data", broken, "--model", network, "--output", out, "--quiet")
    assert result.exit_code == 1
    assert "case0.png" in result.stderr
    assert list(out.iterdir()) == []


def test_real_images(shared_dir, tmp_path):
    source = f"isic2017:{shared_dir / 'data' / 'isic2017_256'}:val"
    dataset = open_dataset(source)
    dataset = dataset.subset(dataset.ids[:4])
    report = evaluate(Predictor(Darkness()), dataset, bootstrap=10, progress=False)
    assert [c.lesion_fraction for c in report.cases["own"]] == [
        read_mask(dataset.mask_path(index)).mean() for index in range(4)
    ]
    assert len(draw_gallery(Predictor(Darkness()), dataset, report, 1)) == 3
