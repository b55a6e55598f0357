"""The command line: files out, messages, and exit statuses."""

import csv
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from command import run
from PIL import Image
from rich.console import Console
from safetensors.torch import save_file
from typer.testing import Result

import skinseg
from skinseg.batch.inputs import name_clashes
from skinseg.batch.results import OutlineFormat, ResultFolder, TableFormat
from skinseg.csv_files import unguarded
from skinseg.data import read_image, read_mask, synthetic_lesion, write_png
from skinseg.files import write_json
from skinseg.inference import Predictor
from skinseg.pretrained import PretrainedCfg, file_hash

SIZES = {"a": (64, 64), "b": (80, 120), "c": (200, 90)}


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """A folder with weights of a small network, which is enough for everything but good masks."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    file = folder / "basic_unet_sab.small.safetensors"
    save_file(skinseg.create_model("basic_unet_sab").state_dict(), file)
    record = PretrainedCfg(
        architecture="basic_unet_sab",
        tag="small",
        sha256=file_hash(file),
        num_params=107_140,
        input_size=(3, 64, 64),
        training_data={"name": "nothing", "images": 0},
        metrics=[{"data": "no images", "pooled_iou": 0.125}],
        license="CC0-1.0",
        limitations="untrained [for tests]",
        commit="0123abc",
    )
    write_json(file.with_suffix(".json"), record.to_dict())
    return folder


@pytest.fixture(autouse=True)
def use_weights(weights, monkeypatch, no_weights_of_the_user):
    monkeypatch.setenv("SKINSEG_WEIGHTS", str(weights))


@pytest.fixture
def images(tmp_path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for seed, (name, size) in enumerate(SIZES.items()):
        write_png(folder / f"{name}.png", synthetic_lesion(seed, size)[0])
    return folder


def predict(*arguments: object) -> Result:
    return run("predict", *arguments, "--model", "basic_unet_sab")


def table(folder: Path) -> list[dict[str, str]]:
    with open(folder / "predictions.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- predict: what it writes ---------------------------------------------------------------------


def test_masks_and_table_for_a_folder(images, tmp_path):
    out = tmp_path / "new" / "out"
    result = predict(images, "--output", out)
    assert result.exit_code == 0, result.output
    assert names(out) == ["a_mask.png", "b_mask.png", "c_mask.png", "manifest", "predictions.csv"]
    assert "3 of 3 images segmented" in result.stdout
    assert "segmenting" in result.stderr
    for row, (name, size) in zip(table(out), SIZES.items(), strict=True):
        expected = Predictor("basic_unet_sab")(images / f"{name}.png")
        mask = Image.open(out / f"{name}_mask.png")
        assert mask.mode == "L"
        assert set(np.unique(mask)) <= {0, 255}
        np.testing.assert_array_equal(read_mask(out / f"{name}_mask.png"), expected.mask)
        x, y, width, height = expected.bounding_box
        assert row == {
            "file": str(images / f"{name}.png"),
            "mask_file": f"{name}_mask.png",
            "width": str(size[1]),
            "height": str(size[0]),
            "area_fraction": str(round(expected.area_fraction, 6)),
            "box_x": str(x),
            "box_y": str(y),
            "box_width": str(width),
            "box_height": str(height),
            "components": str(expected.components),
            "confidence": str(round(expected.confidence, 6)),
            "error": "",
        }


def test_masks_for_an_archive(images, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "photos"), "zip", tmp_path, "images")
    result = predict(archive, "-o", tmp_path / "all", "--overlay", "-q")
    assert result.exit_code == 0, result.output
    files = [f"{archive}/images/{name}.png" for name in SIZES]
    assert [row["file"] for row in table(tmp_path / "all")] == files
    mask = Predictor("basic_unet_sab")(images / "b.png").mask
    np.testing.assert_array_equal(read_mask(tmp_path / "all/b_mask.png"), mask)
    assert predict(files[1], f"{archive}/images", "-o", tmp_path / "b", "-q").exit_code == 0
    assert len(table(tmp_path / "b")) == 3
    result = predict(f"{archive}/nothing.png", "-o", tmp_path / "none")
    assert result.exit_code == 2
    assert "there is no such file" in result.stderr


def test_overlay_and_probability(images, tmp_path):
    assert predict(images / "b.png", "-o", tmp_path, "--overlay", "--probability").exit_code == 0
    expected = Predictor("basic_unet_sab")(images / "b.png")
    levels = np.asarray(Image.open(tmp_path / "b_probability.png"))
    assert levels.max() > 255  # 16 bits
    np.testing.assert_allclose(levels / 65535, expected.probability, atol=1e-5)
    overlay = np.asarray(Image.open(tmp_path / "b_overlay.png"))
    np.testing.assert_array_equal(overlay, expected.overlay(images / "b.png"))


def test_table_as_json(images, tmp_path):
    (images / "broken.png").write_bytes(b"")
    assert predict(images, "-o", tmp_path / "out", "--table", "json").exit_code == 1
    rows = json.loads((tmp_path / "out/predictions.json").read_text(encoding="utf-8"))
    assert [row["mask_file"] for row in rows] == ["a_mask.png", "b_mask.png", None, "c_mask.png"]
    assert rows[0]["error"] is None
    assert type(rows[0]["components"]) is int
    assert "zero bytes" in rows[2]["error"]


def test_settings_reach_the_predictor(images, tmp_path):
    file = images / "a.png"
    options = ["--threshold", "0.2", "--tta", "--batch-size", "1", "--device", "cpu"]
    assert predict(file, "-o", tmp_path / "out", *options).exit_code == 0
    expected = Predictor("basic_unet_sab", threshold=0.2, tta=True)(file).mask
    np.testing.assert_array_equal(read_mask(tmp_path / "out/a_mask.png"), expected)
    assert (expected != Predictor("basic_unet_sab")(file).mask).any()


def test_post_processing_and_tiles_reach_the_predictor(images, tmp_path):
    for option, value in (("largest_component", True), ("fill_holes", True), ("tile", 50)):
        out = tmp_path / option
        flag = ["--" + option.replace("_", "-"), *([] if value is True else [value])]
        assert predict(images, "-o", out, *flag, "-q").exit_code == 0
        for name in SIZES:
            expected = Predictor("basic_unet_sab", **{option: value})(images / f"{name}.png").mask
            np.testing.assert_array_equal(read_mask(out / f"{name}_mask.png"), expected)
    plain = Predictor("basic_unet_sab")(images / "b.png")
    assert (plain.mask != read_mask(tmp_path / "largest_component/b_mask.png")).any()


def test_quiet_says_nothing(images, tmp_path):
    result = predict(images, "-o", tmp_path / "out", "--quiet")
    assert (result.exit_code, result.output) == (0, "")


def test_a_second_run_replaces_the_results(images, tmp_path):
    out = tmp_path / "out"
    assert predict(images, "-o", out).exit_code == 0
    assert predict(images / "a.png", "-o", out).exit_code == 0
    assert [row["mask_file"] for row in table(out)] == ["a_mask.png"]


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_change_nothing(images, tmp_path, workers):
    for seed in range(20):
        write_png(images / f"more{seed}.png", synthetic_lesion(seed, 40)[0])
    (images / "more9.png").write_bytes(b"")
    result = predict(images, "-o", tmp_path / "out", "--workers", workers, "--batch-size", "3")
    assert result.exit_code == 1
    rows = table(tmp_path / "out")
    assert [Path(row["file"]).name for row in rows] == [path for path in names(images)]
    assert [row["file"] for row in rows if row["error"]] == [str(images / "more9.png")]
    for row in rows:
        if not row["error"]:
            mask = read_mask(tmp_path / "out" / row["mask_file"])
            assert float(row["area_fraction"]) == pytest.approx(mask.mean(), abs=1e-6)


@pytest.fixture
def interruptible():
    """A shell lets processes in the background ignore Ctrl-C, and their children inherit that."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("format", ["csv", "json"])
def test_interrupted_run_keeps_its_table_and_goes_on(images, tmp_path, monkeypatch, format):
    for seed in range(30):
        write_png(images / f"more{seed:02}.png", synthetic_lesion(seed, 40)[0])
    options = ["-o", tmp_path / "out", "--table", format, "--workers", "1", "--batch-size", "1"]
    stream = Predictor.stream

    def interrupted(self, files, **keywords):
        for index, prediction in enumerate(stream(self, files, **keywords)):
            if index == 12:
                signal.raise_signal(signal.SIGINT)
            yield prediction

    with monkeypatch.context() as patch:
        patch.setattr(Predictor, "stream", interrupted)
        result = predict(images, *options)
    assert result.exit_code == 130
    assert "the same command goes on from there" in result.stderr
    file = tmp_path / f"out/predictions.{format}"
    done = rows_of(file)
    assert 5 < len(done) <= 12
    assert f"{len(done)} of 33 images segmented" in result.stdout
    assert {row["mask_file"] for row in done} <= set(names(tmp_path / "out"))
    assert not [name for name in names(tmp_path / "out") if name.endswith(".tmp")]

    taken = []
    monkeypatch.setattr(
        Predictor,
        "stream",
        lambda self, files, **keywords: stream(self, taken.extend(files) or files, **keywords),
    )
    assert predict(images, *options).exit_code == 0
    assert len(taken) == 33 - len(done)
    whole = rows_of(file)
    assert [Path(row["file"]).name for row in whole] == names(images)
    assert predict(images, *options, "--overwrite").exit_code == 0
    assert len(taken) == 66 - len(done)
    assert rows_of(file) == whole


def test_interrupted_while_the_table_is_written(images, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr("skinseg.batch.results.write_csv", interrupting(0)(None))
        result = predict(images, "-o", out)
    assert result.exit_code == 130
    assert "the table may be older; the same command goes on from there" in result.stderr
    assert predict(images, "-o", out).exit_code == 0
    assert len(table(out)) == 3


def rows_of(file: Path) -> list[dict[str, object]]:
    with open(file, newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened)) if file.suffix == ".csv" else json.load(opened)


def test_a_second_run_does_what_is_not_done(images, tmp_path):
    out = tmp_path / "out"
    (images / "d.png").write_bytes(b"")
    assert predict(images, "-o", out).exit_code == 1
    before = {name: (out / name).stat().st_mtime_ns for name in names(out)}

    def written(*options):
        predict(images, "-o", out, *options)
        after = {name: (out / name).stat().st_mtime_ns for name in names(out)}
        changed = [name for name in after if before.get(name) != after[name]]
        before.update(after)
        return sorted(set(changed) - {"predictions.csv", "manifest"})

    assert written() == []
    assert [bool(row["error"]) for row in table(out)] == [False, False, False, True]
    (out / "b_mask.png").unlink()
    assert written() == ["b_mask.png"]
    write_png(images / "c.png", synthetic_lesion(7, SIZES["c"])[0])
    assert written() == ["c_mask.png"]
    assert written("--overlay") == [
        f"{name}_{kind}.png" for name in "abc" for kind in ("mask", "overlay")
    ]
    assert written("--overwrite") == ["a_mask.png", "b_mask.png", "c_mask.png"]


@pytest.mark.parametrize("name", ["=1+1", "+x", "-x", "@x", "\tx", "'=x", "'x", "x"])
def test_no_cell_of_the_table_is_a_formula(images, tmp_path, monkeypatch, name):
    (images / "a.png").rename(images / f"{name}.png")
    monkeypatch.chdir(images)
    out = tmp_path / "out"
    command = ("-o", out, "--model", "basic_unet_sab", "--", f"{name}.png")
    assert run("predict", *command).exit_code == 0
    [row] = table(out)
    for cell, text in ((row["file"], f"{name}.png"), (row["mask_file"], f"{name}_mask.png")):
        assert cell == (text if name in ("x", "'x") else f"'{text}")
        assert unguarded(cell) == text
    before = (out / f"{name}_mask.png").stat().st_mtime_ns
    assert run("predict", *command).exit_code == 0
    assert (out / f"{name}_mask.png").stat().st_mtime_ns == before
    assert table(out) == [row]


def test_outlines_for_other_programs(images, tmp_path, monkeypatch):
    formats = ("--format", "coco", "--format", "geojson", "--format", "labelme")
    out = tmp_path / "out"
    assert predict(images, "-o", out, *formats, "-q").exit_code == 0
    coco = json.loads((out / "predictions_coco.json").read_text(encoding="utf-8"))
    assert [image["file_name"] for image in coco["images"]] == ["a.png", "b.png", "c.png"]
    assert len(coco["annotations"]) == 3
    for image, found in zip(coco["images"], coco["annotations"], strict=True):
        assert found["image_id"] == image["id"]
        mask = read_mask(out / image["file_name"].replace(".png", "_mask.png"))
        np.testing.assert_array_equal(skinseg.data.decode_rle(found["segmentation"]), mask)
        assert found["area"] == mask.sum()
        expected = Predictor("basic_unet_sab")(images / image["file_name"])
        assert found["bbox"] == list(expected.bounding_box)
    polygons = Predictor("basic_unet_sab")(images / "b.png").polygons()
    features = json.loads((out / "b.geojson").read_text(encoding="utf-8"))["features"]
    rings = [ring for f in features for ring in f["geometry"]["coordinates"]]
    assert len(rings) == sum(1 + len(polygon.holes) for polygon in polygons)
    assert all(ring[0] == ring[-1] for ring in rings)
    labelme = json.loads((out / "b.json").read_text(encoding="utf-8"))
    assert (labelme["imageHeight"], labelme["imageWidth"]) == SIZES["b"]
    points = [shape["points"] for shape in labelme["shapes"]]
    assert points == [polygon.outer.tolist() for polygon in polygons]
    # What is there already belongs to the file of all; what lacks its outline is made again.
    (out / "predictions_coco.json").unlink()
    (out / "a.geojson").unlink()
    left = []
    stream = Predictor.stream
    monkeypatch.setattr(
        Predictor, "stream", lambda self, f, **o: stream(self, left.extend(f) or left, **o)
    )
    assert predict(images, "-o", out, *formats, "-q").exit_code == 0
    assert [file.name for file in left] == ["a.png"]
    assert json.loads((out / "predictions_coco.json").read_text(encoding="utf-8")) == coco


# --- predict: what it finds ----------------------------------------------------------------------


def test_patterns_folders_and_files_each_image_once(images, tmp_path):
    deep = images / "deep"
    deep.mkdir()
    shutil.copy(images / "a.png", deep / "d.png")
    (images / "notes.txt").write_text("no image")
    out = tmp_path / "out"
    assert predict(images / "[ab].png", images / "a.png", images, "-o", out, "-q").exit_code == 0
    assert [Path(row["file"]).name for row in table(out)] == ["a.png", "b.png", "c.png"]
    assert predict(images / "**/?.png", "-o", out, "-q").exit_code == 0
    assert len(table(out)) == 4
    assert predict(images, "-r", "-o", out, "-q").exit_code == 0
    assert len(table(out)) == 4


def test_brackets_in_a_file_name_are_no_pattern(images, tmp_path):
    shutil.copy(images / "a.png", images / "lesion[1].png")
    result = predict(images / "lesion[1].png", "-o", tmp_path / "out")
    assert result.exit_code == 0
    assert names(tmp_path / "out") == ["lesion[1]_mask.png", "manifest", "predictions.csv"]


def test_results_below_the_images_are_not_taken_for_images(images):
    for _ in range(2):
        assert predict(images, "-r", "-o", images / "masks", "-q").exit_code == 0
    assert len(table(images / "masks")) == 3


# --- predict: what goes wrong --------------------------------------------------------------------


def test_broken_files_are_reported_and_the_rest_is_done(images, tmp_path):
    (images / "a0.jpg").write_bytes(b"")
    (images / "b0.png").write_bytes((images / "b.png").read_bytes()[:3000])
    (images / "c0.png").write_text("no image at all")
    Image.new("RGB", (1, 1)).save(images / "d0.png")
    out = tmp_path / "out"
    result = predict(images, images / "gone.png", images / "none*.jpg", "-o", out)
    assert result.exit_code == 1
    assert "3 of 9 images segmented" in result.stdout
    assert [name for name in names(out) if "mask" in name] == [f"{x}_mask.png" for x in "abc"]
    errors = {Path(row["file"]).name: row["error"] for row in table(out) if row["error"]}
    expected = {
        "a0.jpg": "zero bytes",
        "b0.png": "truncated",
        "c0.png": "not an image",
        "d0.png": "1 x 1 pixels",
        "gone.png": "no such file",
        "none*.jpg": "no file matches",
    }
    assert errors.keys() == expected.keys()
    for name, reason in expected.items():
        assert reason in errors[name]
        assert f"Error: {errors[name]}" in result.stderr


def test_note_of_an_animated_image_comes_once(images, tmp_path):
    frames = [Image.new("RGB", (40, 40), color) for color in ("red", "blue")]
    frames[0].save(images / "d.gif", save_all=True, append_images=frames[1:])
    result = predict(images, "-o", tmp_path / "out", "--overlay")
    assert result.exit_code == 0
    assert result.stderr.count("has several frames") == 1


def test_images_of_one_name_are_refused_before_anything_runs(images, tmp_path):
    Image.open(images / "a.png").save(images / "a.bmp")
    result = predict(images, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert f"'{images / 'a.bmp'}' and '{images / 'a.png'}'" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "options", "taken"),
    [
        ("predictions", ["--format", "labelme", "--table", "json"], "predictions.json"),
        ("predictions_coco", ["--format", "labelme", "--format", "coco"], "predictions_coco.json"),
        (
            "predictions-2-of-2",
            ["--format", "labelme", "--table", "json", "--shard", "1/2"],
            "predictions-2-of-2.json",
        ),
    ],
)
def test_no_image_is_written_where_a_file_of_all_images_is(images, tmp_path, name, options, taken):
    (images / "a.png").rename(images / f"{name}.png")
    out = tmp_path / "out"
    result = predict(images, "-o", out, *options)
    assert result.exit_code == 2
    assert f"'{images / name}.png' would be written as '{taken}'" in result.stderr
    assert not out.exists()
    # By themselves, none of these options is in the way.
    assert predict(images, "-o", out, *options[:2], "-q").exit_code == 0


@pytest.mark.parametrize(("platform", "clashes"), [("linux", 0), ("darwin", 1), ("win32", 1)])
def test_names_that_differ_in_capitals(monkeypatch, tmp_path, platform, clashes):
    monkeypatch.setattr(sys, "platform", platform)
    files = [tmp_path / "a/Lesion.jpg", tmp_path / "b/lesion.png"]
    assert len(name_clashes(files, tmp_path / "out")) == clashes
    assert not name_clashes(files, "s3://bucket/out")
    folder = ResultFolder(tmp_path, outlines=[OutlineFormat.labelme])
    taken = folder.taken_names([tmp_path / "Predictions.jpg"], TableFormat.json)
    assert len(taken) == clashes


def test_results_are_not_written_beside_the_images(images):
    before = names(images)
    result = predict(images / "a.png", "-o", images)
    assert result.exit_code == 2
    assert "holds input images" in result.stderr
    assert names(images) == before


WRONG_USE = {
    "unknown model": (["--model", "basic_unit"], "did you mean basic_unet"),
    "unknown tag": (["--model", "basic_unet_sab.smal"], "did you mean small"),
    "path as model": (["--model", "nets/mine.pth"], "`skinseg convert` makes one"),
    "empty local-dir": (["--model", "local-dir:nowhere"], "has no config.json"),
    "no weights": (["--model", "lmsaunet_n8"], "no weights for lmsaunet_n8"),
    "threshold": (["--threshold", "1.5"], "--threshold must be above 0 and below 1, not 1.5"),
    "batch size": (["--batch-size", "0"], "--batch-size must be 1 or more, not 0"),
    "device": (["--device", "cuda:77"], "device 'cuda:77' cannot be used"),
    "workers": (["--workers", "0"], "--workers must be 1 or more, not 0"),
    "table": (["--table", "xml"], "xml"),
    "option": (["--tresh", "0.5"], "--tresh"),
}


@pytest.mark.parametrize("case", WRONG_USE)
def test_wrong_use_is_explained_and_writes_nothing(images, tmp_path, case):
    options, message = WRONG_USE[case]
    out = tmp_path / "out"
    model = [] if "--model" in options else ["--model", "basic_unet_sab"]
    result = run("predict", images, "-o", out, *model, *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (["gone.png"], "there is no such file"),
        (["*.tif"], "no file matches"),
        (["empty"], "holds no image; --recursive"),
    ],
)
def test_no_image_found(images, tmp_path, inputs, message):
    (images / "empty").mkdir()
    result = predict(*(images / name for name in inputs), "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert message in result.stderr
    assert "no image found" in result.stderr
    assert not (tmp_path / "out").exists()


def test_damaged_weights(images, tmp_path, weights, monkeypatch):
    folder = tmp_path / "damaged"
    shutil.copytree(weights, folder)
    save_file({"x": torch.zeros(1)}, folder / "basic_unet_sab.small.safetensors")
    monkeypatch.setenv("SKINSEG_WEIGHTS", str(folder))
    result = predict(images, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "is not the file of the record basic_unet_sab.small" in result.stderr
    assert not (tmp_path / "out").exists()


def test_output_folder_that_cannot_be_made(images, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for out in (tmp_path / "file", tmp_path / "file" / "out"):
        result = predict(images, "-o", out)
        assert result.exit_code == 1
        assert f"cannot write to the output folder '{out}'" in result.stderr


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_output_folder_without_permission(images, tmp_path):
    out = tmp_path / "out"
    out.mkdir(mode=0o500)
    result = predict(images, "-o", out)
    assert result.exit_code == 1
    assert f"cannot write to the output folder '{out}': Permission denied" in result.stderr


def test_no_space_left(images, tmp_path, monkeypatch):
    whole = skinseg.data.images.write_atomically

    def full(path, write):
        def half(temporary):
            temporary.write_bytes(b"a beginning")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        whole(path, half if path.name == "b_mask.png" else write)

    monkeypatch.setattr("skinseg.data.images.write_atomically", full)
    result = predict(images, "-o", tmp_path / "out", "--workers", "1")
    assert result.exit_code == 1
    assert f"'{tmp_path / 'out' / 'b_mask.png'}': No space left on device" in result.stderr
    assert result.stderr.count("Error") == 1
    # The third mask may have been under way already.
    masks = [name for name in names(tmp_path / "out") if name != "manifest"]
    assert masks in (["a_mask.png"], ["a_mask.png", "c_mask.png"])


def test_no_space_left_for_the_table(images, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("skinseg.files.os.replace", full)
    monkeypatch.setattr("skinseg.batch.results.ResultFolder._write_png", lambda *_: None)
    result = predict(images, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert f"cannot write '{tmp_path / 'out' / 'predictions.csv'}'" in result.stderr
    assert names(tmp_path / "out") == ["manifest"]


def test_network_whose_weights_are_nan(images, tmp_path, monkeypatch):
    state = skinseg.create_model("basic_unet_sab").state_dict()
    save_file(
        {k: v * torch.nan for k, v in state.items()}, tmp_path / "basic_unet_sab.x.safetensors"
    )
    monkeypatch.setenv("SKINSEG_WEIGHTS", str(tmp_path))
    result = predict(images, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "NaN or infinite" in result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="needs file names of any bytes")
def test_file_names_that_are_no_text(images, tmp_path):
    os.rename(images / "a.png", os.fsencode(images) + b"/\xe4.png")
    result = predict(images, "-o", tmp_path / "out")
    assert result.exit_code == 0
    assert os.path.exists(os.fsencode(tmp_path) + b"/out/\xe4_mask.png")
    assert "\ufffd.png" in table(tmp_path / "out")[2]["file"]


# --- list and info -------------------------------------------------------------------------------


def test_list_prints_names_where_the_output_is_no_terminal():
    assert run("list").stdout.split() == skinseg.list_models()
    assert run("list", "lmsaunet_n?").stdout.split() == [
        "lmsaunet_n2",
        "lmsaunet_n4",
        "lmsaunet_n8",
    ]
    assert "basic_unet_sab.small" in run("list", "--pretrained").stdout.split()


def test_list_is_a_table_on_a_terminal(monkeypatch):
    terminal = Console(force_terminal=True, width=120, color_system=None, record=True)
    for module in ("models", "tables"):
        monkeypatch.setattr(f"skinseg.cli.{module}.stdout", terminal)
    assert run("list").exit_code == 0
    rows = terminal.export_text().splitlines()
    [row] = [row for row in rows if "basic_unet_sab " in row]
    assert "107,140" in row
    assert "small" in row
    assert "lesion IoU 0.125 (no images)" in row
    assert run("list", "--plain").stdout.split() == skinseg.list_models()


def test_list_as_json():
    listed = {entry["name"]: entry for entry in json.loads(run("list", "--json").stdout)}
    assert list(listed) == skinseg.list_models()
    entry = listed["basic_unet_sab"]
    assert (entry["parameters"], entry["weights"]) == (107_140, ["small"])
    assert entry["scores"][0]["pooled_iou"] == 0.125


def test_a_pipe_gets_one_line_per_row_without_boxes():
    lines = run("info", "malunet.isic2017").stdout.splitlines()
    assert not set("".join(lines)) & set("┃│━─┏┌…")
    [limits] = [line for line in lines if line.startswith("limitations")]
    assert len(limits) > 400  # Nothing is wrapped.
    [row] = [line for line in lines if line.startswith("encoder.stages.3.block.0")]
    assert row.split()[:3] == ["encoder.stages.3.block.0", "InvertedExternalAttention", "5,832"]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_letters_that_standard_output_lacks_are_escaped(tmp_path, encoding):
    image, mask = synthetic_lesion(0, 64)
    for name in ("l\u00e9sion", "\u75c5\u5909"):
        write_png(tmp_path / f"{name}.png", image)
        write_png(tmp_path / f"{name}_mask.png", mask)
    command = [sys.executable, "-m", "skinseg", "check", str(tmp_path), "-q"]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    ids = []
    for options in ([], ["--json"]):
        result = subprocess.run([*command, *options], env=environment, capture_output=True)
        assert result.returncode == 1 and b"Traceback" not in result.stderr, result.stderr
        ids.append(result.stdout.decode(encoding))
    assert "sion, " in ids[0]
    [found] = json.loads(ids[1])["findings"]
    assert found["ids"] == ["l\u00e9sion", "\u75c5\u5909"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a device that is full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_standard_output_that_is_full_is_told_in_words(unbuffered):
    command = [sys.executable, "-m", "skinseg", "list"]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment
        )
    assert result.returncode == 1
    assert result.stderr == "Error: cannot write to standard output: No space left on device.\n"


def test_list_of_nothing():
    result = run("list", "resnet*")
    assert result.exit_code == 2
    assert "no network of a name like 'resnet*'" in result.stderr


def test_info_as_json():
    facts = json.loads(run("info", "basic_unet_sab.small", "--json").stdout)
    assert facts["name"] == "basic_unet_sab.small"
    assert facts["summary"] == "BU + SAB of MALUNet's Table IV."
    assert facts["parameters"] == 107_140
    assert facts["arguments"]["channels"] == [8, 16, 24, 32, 48, 64]
    assert facts["feature_maps"][0] == {"num_chs": 8, "reduction": 2, "module": "stages.0"}
    assert facts["weights"]["input_size"] == [3, 64, 64]
    assert len(facts["weights"]["sha256"]) == 64
    assert facts["cost"]["input_size"] == [3, 64, 64]
    assert facts["cost"]["parameters"]["total"] == 107_140


def test_info_for_people(weights):
    text = run("info", "basic_unet_sab.small").stdout
    sha256 = file_hash(weights / "basic_unet_sab.small.safetensors")
    for part in ("107,140", "64 x 64", "CC0-1.0", "untrained [for tests]", "0123abc", sha256):
        assert part in text
    assert "48 at 1/32" in text
    assert "pooled_iou: 0.125" in text


def test_info_without_weights():
    text = run("info", "egeunet_ghpa", "--size", "64").stdout
    assert "34,273" in text
    assert re.search(r"weights +none", text)
    facts = json.loads(run("info", "egeunet_ghpa", "--size", "64", "--json").stdout)
    assert facts["weights"] is None


def test_info_tells_costs_by_counter_and_by_block():
    text = run("info", "egeunet_ghpa", "--size", "64").stdout
    assert "3x64x64" in text
    for part in ("multiply-accumulates, torch", "peak activation memory", "encoder.stages.3.block"):
        assert part in text


@pytest.mark.parametrize(
    ("name", "message"),
    [("malunett", "did you mean malunet"), ("basic_unet_sab.big", "no weights 'big'")],
)
def test_info_of_unknown_names(name, message):
    result = run("info", name)
    assert result.exit_code == 2
    assert message in result.stderr


# --- check and synth -----------------------------------------------------------------------------


def test_synth_writes_a_data_set_that_check_accepts(tmp_path):
    result = run("synth", tmp_path / "set", "--count", 3, "--size", 48, "--seed", 5)
    assert result.exit_code == 0
    assert names(tmp_path / "set/images") == [f"synthetic_{seed}.png" for seed in (5, 6, 7)]
    assert names(tmp_path / "set/masks") == names(tmp_path / "set/images")
    image, mask = synthetic_lesion(6, 48)
    np.testing.assert_array_equal(Image.open(tmp_path / "set/images/synthetic_6.png"), image)
    np.testing.assert_array_equal(read_mask(tmp_path / "set/masks/synthetic_6.png"), mask)
    result = run("check", tmp_path / "set")
    assert result.exit_code == 1  # Sound, and too few to train on.
    assert "3 samples: nothing to complain of" in result.stdout


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("{}/cut.onnx", "cut.onnx' cannot be opened"),
        ("{}/cut.pt2", "cut.pt2' cannot be opened"),
        ("local-dir:{}", "config.json is not readable JSON"),
    ],
)
def test_a_damaged_network_is_a_failure_and_no_wrong_use(images, tmp_path, model, message):
    for name in ("cut.onnx", "cut.pt2", "model.safetensors", "config.json"):
        (tmp_path / name).write_bytes(b'{"architecture"')
    for command in (("predict", images, "-o", tmp_path / "out", "-m"), ("info",)):
        result = run(*command, model.format(tmp_path))
        assert result.exit_code == 1
        assert message in result.stderr


def test_synth_into_a_file(tmp_path):
    (tmp_path / "file").write_text("in the way")
    result = run("synth", tmp_path / "file", "--count", 1)
    assert result.exit_code == 1
    assert f"cannot write to '{tmp_path / 'file'}'" in result.stderr


@pytest.fixture
def dataset(tmp_path) -> Path:
    run("synth", tmp_path / "set", "--count", 10, "--size", 40, "--quiet")
    return tmp_path / "set"


def test_check_of_a_broken_data_set(dataset, tmp_path):
    (dataset / "masks/synthetic_3.png").unlink()
    result = run("check", dataset, "-q")
    assert result.exit_code == 0
    assert run("check", dataset, "-q", "--strict").exit_code == 1
    assert "Images without a mask (1):" in result.stdout
    assert run("check", tmp_path / "nowhere").exit_code == 2


def test_check_of_official_archives(dataset, tmp_path):
    part = tmp_path / "official/ISIC-2017_Validation"
    shutil.copytree(dataset / "images", f"{part}_Data")
    shutil.copytree(dataset / "masks", f"{part}_Part1_GroundTruth")
    case = tmp_path / "PH2Dataset/PH2 Dataset images"
    for name in ("IMD001", "IMD002", "IMD003", "IMD004"):
        number = name[-1]
        for kind, file, source in (
            ("Dermoscopic_Image", name, "images"),
            ("lesion", f"{name}_lesion", "masks"),
        ):
            (case / name / f"{name}_{kind}").mkdir(parents=True)
            picture = Image.open(dataset / source / f"synthetic_{number}.png")
            picture.save(case / name / f"{name}_{kind}" / f"{file}.bmp")
    for source, count in ((f"isic2017:{tmp_path}/official:val", 10), (f"ph2:{tmp_path}", 4)):
        result = run("check", source, "-q")
        assert result.exit_code == 0, result.output
        assert f"{count} samples: nothing to complain of" in result.stdout
    assert run("check", f"isic2017:{tmp_path}/official", "-q").exit_code == 2
    assert run("check", f"ph2:{tmp_path}", "--masks", tmp_path, "-q").exit_code == 2


ONLY_IN_PYTHON = re.compile(
    r"subset`|FolderDataset\(|MappedLabels\(|AnyLabel\(|[a-z]+_\w+ must|[a-z_]+="
)


@pytest.mark.parametrize(
    "wrong",
    [["--data", "nope"], ["--model", "malunett"], ["--tolerance", "-1"], ["--device", "cuda:77"]],
)
def test_a_wrong_evaluation_leaves_no_folder(dataset, tmp_path, wrong):
    data = [] if "--data" in wrong else ["--data", dataset]
    result = run("evaluate", *data, "-o", tmp_path / "scores", *wrong)
    assert result.exit_code == 2
    assert not (tmp_path / "scores").exists()


def test_check_as_json(dataset, tmp_path):
    sound = run("check", dataset, "--json", "-q")
    assert json.loads(sound.stdout)["ok"] is True
    first, *_ = sorted((dataset / "masks").iterdir())
    first.write_bytes(b"")
    broken = run("check", dataset, "--json", "--strict", "-q")
    assert broken.exit_code == 1
    report = json.loads(broken.stdout)
    [finding] = report["findings"]
    assert (report["ok"], finding["kind"], finding["ids"]) == (False, "unreadable", [first.stem])
    assert report["refusal"] in " ".join(broken.stderr.split())


def test_errors_speak_of_options(dataset, tmp_path):
    commands = [
        ("check", tmp_path / "nowhere"),
        ("check", dataset, "--labels", "0=skin"),
        ("check", dataset, "--labels", "1=lesion", "--any-label"),
        ("train", "--data", dataset, "--learning-rate", 0),
        ("train", "--data", dataset, "--early-stop", 0),
        ("evaluate", "--data", dataset, "--tolerance", -1),
        ("evaluate", "--data", dataset, "-m", "segnet"),
        ("predict", dataset / "images", "-o", tmp_path / "out", "--threshold", 2),
    ]
    (dataset / "masks/synthetic_1.png").unlink()
    commands += [("evaluate", "--data", dataset)]
    Image.new("L", (40, 40), 2).save(dataset / "masks/synthetic_2.png")
    commands += [("check", dataset, "-q"), ("train", "--data", dataset, "-q")]
    for command in commands:
        result = run(*command)
        assert result.exit_code in (1, 2), command
        assert not ONLY_IN_PYTHON.search(result.stderr), result.stderr


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("export malunet --result mask", "only with preprocessing; give --with-preprocessing"),
        ("export malunet --size dynamic --with-preprocessing", "give a number as --size"),
        ("export malunet --size 0", "sides must be 32 pixels or more, not 0x0"),
        ("bench malunet --rounds 2", "--rounds must be 4 or more, not 2"),
        ("train --data set --val-fraction 0.99 -q", "Choose another --val-fraction."),
        ("train --data set --folds 50 -q", "--folds must be 2 or more, and no more than"),
        ("evaluate --data isic2017:set:foo", "has no split 'foo'. Choose from train, val, test."),
        ("evaluate --data set --split-file ids.txt", "Not in the data set: 1 of 1 id in 'ids.txt'"),
        ("predict set/images -o out -m x.png", "'x.png' is a file, and by its ending none with"),
    ],
)
def test_wrong_uses_are_told_without_python(dataset, tmp_path, monkeypatch, wrong, says):
    monkeypatch.chdir(tmp_path)
    Path("x.png").touch()
    Path("ids.txt").write_text("absent\n")
    result = run(*wrong.split())
    assert result.exit_code == 2
    assert says in result.stderr
    assert not re.search(r"\w+=(True|\d)|<\w+Dataset|\['|\(\d", result.stderr)


# --- Ctrl-C --------------------------------------------------------------------------------------


def interrupting(calls: int):
    """A function that is interrupted after some calls of another."""

    def wrap(function):
        left = [calls]

        def interrupted(*arguments, **options):
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
            return function(*arguments, **options)

        return interrupted

    return wrap


def test_interrupted_check_and_evaluation_say_what_they_leave(dataset, tmp_path, monkeypatch):
    before = sorted(dataset.rglob("*"))
    with monkeypatch.context() as patch:
        patch.setattr("skinseg.data.checks.read_image", interrupting(3)(read_image))
        result = run("check", dataset, "-q")
    assert result.exit_code == 130
    assert "interrupted; check changes no file" in result.stderr
    out = tmp_path / "out"
    command = ("evaluate", "--data", dataset, "-m", "basic_unet_sab", "-o", out, "-q")
    with monkeypatch.context() as patch:
        patch.setattr("skinseg.data.datasets.read_image", interrupting(3)(read_image))
        result = run(*command)
    assert result.exit_code == 130
    assert "nothing was written" in result.stderr
    assert names(out) == []
    with monkeypatch.context() as patch:
        patch.setattr("skinseg.reports.draw_gallery", interrupting(0)(None))
        result = run(*command)
    assert result.exit_code == 130
    assert f"the report in '{out}' is incomplete or older; the same command" in result.stderr
    assert sorted(dataset.rglob("*")) == before


def test_interrupted_synth_leaves_no_image_without_its_mask(tmp_path, monkeypatch):
    monkeypatch.setattr("skinseg.data.write_png", interrupting(5)(write_png))
    result = run("synth", tmp_path / "set", "--count", 9, "--size", 40, "-q")
    assert result.exit_code == 130
    assert "of 9 pictures, 2 in" in result.stderr
    images = names(tmp_path / "set/images")
    assert images == ["synthetic_0.png", "synthetic_1.png"]
    assert set(images) < set(names(tmp_path / "set/masks"))


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGINT to send")
@pytest.mark.parametrize("module", ["typer", "torch"])
def test_interrupted_while_modules_are_loading(tmp_path, module):
    """As an extension module may do it, this one turns an interruption into another error."""
    (tmp_path / module).mkdir()
    (tmp_path / module / "__init__.py").write_text(
        "import pathlib, time\n"
        "pathlib.Path('loading').touch()\n"
        "try:\n    time.sleep(60)\nexcept BaseException:\n    raise SystemError('not loaded')\n"
    )
    paths = [str(tmp_path), str(Path(skinseg.__file__).parents[1])]
    process = subprocess.Popen(
        [sys.executable, "-m", "skinseg", "info", "malunet"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / "loading").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert process.returncode == 130
    assert stderr.startswith("Error: interrupted while modules were loading")
    assert "Traceback" not in stderr


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGINT to send")
def test_interrupted_after_the_last_word():
    code = (
        "import atexit, signal, sys\n"
        "from skinseg.__main__ import main\n"
        "atexit.register(signal.raise_signal, signal.SIGINT)\n"
        "sys.argv = ['skinseg', '--version']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "")
    assert done.stdout == f"skinseg {skinseg.__version__}\n"


def test_a_command_without_words_of_its_own_says_that_it_was_interrupted(monkeypatch):
    monkeypatch.setattr("skinseg.list_models", interrupting(0)(None))
    result = run("list")
    assert result.exit_code == 130
    assert result.stderr == "Error: interrupted; the files that are there are whole.\n"


# --- the command itself --------------------------------------------------------------------------


def test_version_and_help():
    assert run("--version").stdout == f"skinseg {skinseg.__version__}\n"
    text = run("--help").stdout
    for command in ("predict", "list", "info", "train", "check", "synth"):
        assert command in text
        assert run(command, "--help").exit_code == 0


def test_installed_command(images, tmp_path):
    script = Path(sys.executable).with_name("skinseg")
    if not script.is_file():
        pytest.skip("the package is not installed with its command")
    (images / "b.png").write_bytes(b"")
    command = [
        script,
        "predict",
        images,
        "-o",
        tmp_path / "out",
        "-m",
        "basic_unet_sab",
        "--overlay",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "b.png': the file has zero bytes" in done.stderr
    assert "2 of 3 images segmented" in done.stdout
    assert len(names(tmp_path / "out")) == 6


def test_bench_times_what_ships(monkeypatch):
    timed = []
    module = sys.modules["skinseg.cli.bench"]
    monkeypatch.setattr(module, "_rows", lambda name, *rest: timed.append(name) or [])
    assert run("bench").exit_code == 0
    assert timed == sorted({name.partition(".")[0] for name in skinseg.list_pretrained()})
    monkeypatch.undo()
    # It alone of these is not in the catalog.
    options = ["--size", "32", "--rounds", "4", "--json"]
    result = run("bench", "ensemble", *options)
    assert [row["form"] for row in json.loads(result.stdout)] == ["published", "optimized"]


def test_bench_of_a_network_in_a_folder(tmp_path):
    network = skinseg.create_model("basic_unet_sab", pretrained=True)  # Of 64 x 64 pixels.
    skinseg.hub.save_pretrained(network, tmp_path)
    result = run("bench", f"local-dir:{tmp_path}", "--rounds", 4, "--json")
    assert result.exit_code == 0, result.stderr
    assert {row["size"] for row in json.loads(result.stdout)} == {64}


@pytest.mark.parametrize(
    ("option", "value", "least"),
    [("--size", -5, 32), ("--size", 0, 32), ("--threads", 0, 1), ("--rounds", 3, 4)],
)
def test_bench_refuses_numbers_out_of_range(option, value, least):
    result = run("bench", "basic_unet_sab", option, value)
    assert result.exit_code == 2
    assert f"{option} must be {least} or more, not {value}" in result.stderr
