"""YOLO's text files and COCO's JSON as masks."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from skinseg.cli import app
from skinseg.data import (
    CocoDataset,
    DatasetError,
    RunLengths,
    YoloDataset,
    check_dataset,
    encode_rle,
    mask_polygons,
    open_dataset,
    synthetic_lesion,
    write_png,
)
from skinseg.inference import outline_files

SIZES = [(40, 60), (64, 48), (50, 50)]


@pytest.fixture
def lesions(tmp_path) -> list[np.ndarray]:
    """Masks whose images are in `images`; the last one is empty."""
    (tmp_path / "images").mkdir()
    masks = []
    for seed, size in enumerate(SIZES):
        image, mask = synthetic_lesion(seed, size)
        write_png(tmp_path / "images" / f"x{seed}.png", image)
        masks.append(mask if seed < 2 else np.zeros_like(mask))
    return masks


def outlines(mask: np.ndarray) -> list[np.ndarray]:
    return [polygon.outer for polygon in mask_polygons(RunLengths.from_mask(mask), 0)]


def write_yolo(folder: Path, masks: list[np.ndarray], number: int = 0) -> None:
    (folder / "labels").mkdir()
    for index, mask in enumerate(masks):
        scale = mask.shape[::-1]
        lines = [
            " ".join([str(number), *map(repr, (ring / scale).ravel().tolist())])
            for ring in outlines(mask)
        ]
        (folder / "labels" / f"x{index}.txt").write_text("\n".join(lines) + "\n")


def coco(masks: list[np.ndarray], kind: str) -> dict:
    data = outline_files.coco((f"x{n}.png", mask, 1.0) for n, mask in enumerate(masks))
    for entry in data["annotations"]:
        mask = masks[entry["image_id"] - 1]
        if kind == "polygons":
            entry["segmentation"] = [ring.ravel().tolist() for ring in outlines(mask)]
        else:
            entry["segmentation"] = encode_rle(mask, compressed=kind == "string")
    return data


def test_yolo_outlines_are_masks(tmp_path, lesions):
    write_yolo(tmp_path, lesions)
    for dataset in (
        open_dataset(tmp_path),
        open_dataset(tmp_path / "images", masks=tmp_path / "labels"),
        YoloDataset(tmp_path / "images", tmp_path / "labels").subset(["x0", "x1", "x2"]),
    ):
        for sample, mask in zip(dataset, lesions, strict=True):
            np.testing.assert_array_equal(sample.mask, mask)
    report = check_dataset(open_dataset(tmp_path), progress=False)
    assert report.ok
    assert [found.kind for found in report.findings] == ["empty_mask"]


@pytest.mark.parametrize("kind", ["polygons", "string", "counts"])
def test_coco_annotations_are_masks(tmp_path, lesions, kind):
    file = tmp_path / "annotations.json"
    file.write_text(json.dumps(coco(lesions, kind)))
    for dataset in (
        open_dataset(file),
        open_dataset(tmp_path / "images", masks=file),
        CocoDataset(file, tmp_path / "images").renamed(["a", "b", "c"]),
    ):
        for sample, mask in zip(dataset, lesions, strict=True):
            np.testing.assert_array_equal(sample.mask, mask)


def test_several_classes_must_be_explained(tmp_path, lesions):
    write_yolo(tmp_path, lesions)
    with open(tmp_path / "labels" / "x1.txt", "a") as file:
        file.write("3 0 0 0.2 0 0.2 0.2 0 0.2\n")
    with pytest.raises(DatasetError, match=r"x0\.txt' and others name several classes \(0, 3\)"):
        open_dataset(tmp_path)[0]
    chosen = open_dataset(tmp_path, labels={0: "lesion", 3: "background"})
    np.testing.assert_array_equal(chosen[1].mask, lesions[1])
    assert open_dataset(tmp_path, any_label=True)[1].mask[2, 2]
    other = open_dataset(tmp_path, labels={3: "lesion", 0: "background"})
    assert (other[1].mask.sum(), other[0].mask.sum()) == (round(0.2 * 48) * round(0.2 * 64), 0)
    with pytest.raises(DatasetError, match="holds 3, and labels names 0 only"):
        open_dataset(tmp_path, labels={0: "lesion"})[1]
    with pytest.raises(DatasetError, match="must name each value background or lesion"):
        open_dataset(tmp_path, labels={0: "mole"})
    result = CliRunner().invoke(app, ["check", str(tmp_path), "-q"])
    assert result.exit_code == 1
    assert "with --labels 0=lesion,1=background" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0.2 0.2", "is a box, and a box is no outline"),
        ("0 0.5 0.5 0.2", "is no class with three points"),
        ("0 10 10 90 10 90 90", "no fractions of width and height"),
        ("lesion 0 0 0.5 0 0.5 0.5", "Cannot read the outlines"),
    ],
)
def test_lines_that_are_no_outlines(tmp_path, lesions, line, message):
    write_yolo(tmp_path, lesions)
    (tmp_path / "labels" / "x1.txt").write_text(line)
    with pytest.raises(DatasetError, match=message):
        open_dataset(tmp_path)[1]
    assert not check_dataset(open_dataset(tmp_path), progress=False).ok


def test_an_image_without_a_file_has_no_mask(tmp_path, lesions):
    write_yolo(tmp_path, lesions[:2])
    report = check_dataset(open_dataset(tmp_path), progress=False)
    assert [found.kind for found in report.findings] == ["image_without_mask"]


def test_accents_of_two_systems_are_the_same_letters(tmp_path, lesions):
    write_yolo(tmp_path, lesions)
    one, other = (unicodedata.normalize(form, "l\u00e9sion") for form in ("NFC", "NFD"))
    (tmp_path / "images" / "x0.png").rename(tmp_path / "images" / f"{other}.png")
    (tmp_path / "labels" / "x0.txt").rename(tmp_path / "labels" / f"{one}.txt")
    dataset = open_dataset(tmp_path)
    assert one in dataset.ids
    assert check_dataset(dataset, progress=False).ok


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.pop("images"), "is no file of COCO's annotations: KeyError"),
        (lambda data: data["images"][0].update(file_name="y.png"), "'y.png', which is not in"),
        (lambda data: data["annotations"][0].update(image_id=77), "KeyError: 77"),
        (lambda data: data["images"].clear() or data["annotations"].clear(), "names no images"),
    ],
)
def test_files_that_are_no_annotations(tmp_path, lesions, change, message):
    data = coco(lesions, "string")
    change(data)
    (tmp_path / "annotations.json").write_text(json.dumps(data))
    with pytest.raises(DatasetError, match=message):
        open_dataset(tmp_path / "annotations.json")
    with pytest.raises(DatasetError, match="No folder"):
        YoloDataset(tmp_path / "images", tmp_path / "none")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ([], "it has no outline, and a box is none"),
        ([[1, 1, 9, 9]], "has not three points"),
        ([[1, 1, 9, 1, float("nan"), 9]], "has not three points or more, all numbers"),
    ],
)
def test_annotations_that_are_no_outlines(tmp_path, lesions, shape, message):
    data = coco(lesions, "polygons")
    data["annotations"][0]["segmentation"] = shape
    (tmp_path / "annotations.json").write_text(json.dumps(data))
    dataset = open_dataset(tmp_path / "annotations.json")
    with pytest.raises(DatasetError, match=message):
        dataset[0]
    np.testing.assert_array_equal(dataset[1].mask, lesions[1])
    assert not check_dataset(dataset, progress=False).ok


@pytest.mark.parametrize("kind", ["polygons", "string"])
def test_annotations_of_another_size_are_refused(tmp_path, lesions, kind):
    file = tmp_path / "annotations.json"
    data = coco(lesions, kind)
    file.write_text(json.dumps(data))
    for index, size in [(0, (120, 80)), (2, (10, 10))]:
        Image.open(tmp_path / f"images/x{index}.png").resize(size).save(
            tmp_path / f"images/x{index}.png"
        )
    dataset = open_dataset(file)
    with pytest.raises(DatasetError, match=r"annotates .*x0\.png' at 60 x 40 .* it is 120 x 80\."):
        dataset[0]
    [finding] = check_dataset(dataset, progress=False).of_kind("unknown_values")
    assert finding.ids == ("x0",)
    # Without an annotation there is nothing that might be at the wrong place.
    assert not dataset[2].mask.any()


def test_annotations_of_a_photograph_as_it_is_stored_are_refused(tmp_path, lesions):
    file = tmp_path / "annotations.json"
    data = coco(lesions, "polygons")
    file.write_text(json.dumps(data))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(tmp_path / "images/x0.png").save(tmp_path / "images/x0.png", exif=exif)
    with pytest.raises(DatasetError, match=r"at 60 x 40 pixels, but read upright it is 40 x 60"):
        open_dataset(file)[0]


@pytest.mark.parametrize("stated", [{}, {"width": 0, "height": 0}, {"width": None, "height": None}])
def test_annotations_that_state_no_size_are_used(tmp_path, lesions, stated):
    data = coco(lesions, "polygons")
    for entry in data["images"]:
        del entry["width"], entry["height"]
        entry.update(stated)
    (tmp_path / "annotations.json").write_text(json.dumps(data))
    np.testing.assert_array_equal(open_dataset(tmp_path / "annotations.json")[0].mask, lesions[0])
