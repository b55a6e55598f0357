"""Many images: found in lists and at URLs, done once, shared by jobs and by a cluster."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import fsspec
import numpy as np
import pytest
from fsspec.utils import infer_storage_options
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import skinseg
from skinseg.batch import (
    Manifest,
    ManifestError,
    OutputError,
    ResultFolder,
    Row,
    Shard,
    find_images,
    on_ray,
    prediction_settings,
    segment,
    segment_on_ray,
)
from skinseg.cli import app
from skinseg.data import ImageError, read_image, read_mask, synthetic_lesion, write_png
from skinseg.files import write_json
from skinseg.locations import files_at, is_url, names_in, read_url, write_url

MODEL = "basic_unet.isic2017"


def predict(*arguments: object, status: int = 0) -> str:
    """Run the command and return what it says."""
    command = ["predict", *map(str, arguments), "--model", MODEL, "--quiet"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == status, result.output
    return result.output


def table(folder: Path, name: str = "predictions.csv") -> dict[str, dict[str, str]]:
    with open(folder / name, newline="", encoding="utf-8") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def noted(folder: Path) -> list[str]:
    """Names of the images in all notes, as often as they are there."""
    lines = [
        json.loads(line)
        for file in folder.glob("manifest/*")
        for line in file.read_text(encoding="utf-8").splitlines()[1:]
    ]
    return sorted(Path(line["location"]).name for line in lines)


def masks(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*_mask.png")}


@pytest.fixture
def images(tmp_path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for seed in range(7):
        write_png(folder / f"{seed}.png", synthetic_lesion(seed, 48)[0])
    return folder


@pytest.fixture
def memory():
    """A file system of fsspec's that is empty."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    yield system
    system.store.clear()


# --- lists ---------------------------------------------------------------------------------------


def test_a_list_names_images_from_its_own_folder(images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = f"\ufeff1.png\n\n{images / '2.png'}\n  \ns3://bucket/3.png\r\n1.png\n"
    (images / "some.txt").write_text(text, encoding="utf-8", newline="")
    found = find_images(["images/some.txt", "images/0.png"])
    assert not found.missing
    expected = [Path("images/1.png"), images / "2.png", "s3://bucket/3.png", Path("images/0.png")]
    assert found.files == expected


def test_a_table_is_a_list(images, tmp_path):
    (images / "some.csv").write_text("id,file\n1,'=1.png\n2,b/2.png\n", encoding="utf-8")
    assert find_images([str(images / "some.csv")]).files == [
        images / "=1.png",
        images / "b" / "2.png",
    ]
    (images / "other.csv").write_text("id,path\n1,1.png\n", encoding="utf-8")
    found = find_images([str(images / "other.csv")])
    assert "names no column 'file', but id, path" in found.missing[str(images / "other.csv")]
    (images / "other.csv").write_text("file\n" + "x" * 200_000, encoding="utf-8")
    assert "field larger than" in str(find_images([str(images / "other.csv")]).missing)
    (images / "empty.txt").write_text("\n")
    assert "names no image" in str(find_images([str(images / "empty.txt")]).missing)


def test_what_a_list_names_and_is_not_there_is_reported(images, tmp_path):
    (images / "some.txt").write_text("1.png\ngone.png\nmemory://gone/x.png\n", encoding="utf-8")
    said = predict(images / "some.txt", "-o", tmp_path / "out", status=1)
    assert said.count("there is no such file") == 2
    rows = table(tmp_path / "out")
    assert [bool(row["error"]) for row in rows.values()] == [False, True, True]


def test_the_table_of_an_earlier_command_is_a_list(images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    predict("images", "-o", "out")
    assert find_images(["out/predictions.csv"]).files == sorted(Path("images").iterdir())
    predict("out/predictions.csv", "-o", "again")
    assert masks(Path("again")) == masks(Path("out"))


def test_the_output_folder_is_not_searched_however_it_is_named(images, tmp_path, memory):
    out = images / "out"
    for _ in range(2):
        predict(*images.iterdir(), "-o", out)
    assert len(masks(out)) == len(table(out)) == 7
    said = predict(out, "-o", out, status=2)
    assert f"the output folder '{out}' holds input images" in " ".join(said.split())
    for name in ("a.png", "out/a_mask.png", "deep/._b.png", "__MACOSX/b.png"):
        memory.pipe_file(f"/photos/{name}", (images / "0.png").read_bytes())
    everything = find_images(["memory://photos"], recursive=True, leave_out="memory://photos/out")
    assert everything.files == ["memory://photos/a.png"]
    assert find_images(["memory://photos/__MACOSX"]).files == ["memory://photos/__MACOSX/b.png"]


def test_an_image_of_a_damaged_archive_is_reported(tmp_path):
    (tmp_path / "damaged.zip").write_bytes(b"no archive")
    found = find_images([f"{tmp_path}/damaged.zip/x.png"])
    [(argument, reason)] = found.missing.items()
    assert argument == f"{tmp_path}/damaged.zip/x.png"
    assert "the archive" in reason and "cannot be read: File is not a zip file." in reason


def test_a_folder_that_cannot_be_listed_is_named_and_the_others_are_done(images, tmp_path, lock):
    (images / "private").mkdir()
    lock(images / "private")
    found = find_images([str(images)], recursive=True)
    assert found.files == [images / f"{seed}.png" for seed in range(7)]
    [(place, reason)] = found.missing.items()
    assert place == str(images / "private")
    assert "private': Permission denied. Its images are left out" in reason
    assert "Permission denied" in predict(images, "--recursive", "-o", tmp_path / "out", status=1)
    rows = table(tmp_path / "out")
    assert [bool(row["error"]) for row in rows.values()] == [False] * 7 + [True]
    assert find_images([str(images / "private")], recursive=True).missing.keys() == {place}


# --- URLs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["C:\\x.jpg", "C:/x.jpg", "a://b"[1:], "x::y", Path("s3://x")])
def test_a_path_is_no_url(path):
    assert not is_url(path)


def test_urls_are_found_as_paths_are(images, memory):
    for name in ("a.png", "notes.md", "deep/b.png"):
        memory.pipe_file(f"/photos/{name}", (images / "0.png").read_bytes())
    a, b = "memory://photos/a.png", "memory://photos/deep/b.png"
    assert find_images(["memory://photos"]).files == [a]
    assert find_images(["memory://photos"], recursive=True).files == [a, b]
    assert find_images(["memory://photos/*.png", a]).files == [a]
    assert find_images(["memory://photos/**/*.png"]).files == [a, b]
    memory.pipe_file("/photos/list.txt", b"a.png\ndeep/b.png\n")
    assert find_images(["memory://photos/list.txt"]).files == [a, b]
    nothing = find_images(["memory://photos/*.jpg", "memory://none"])
    assert not nothing.files
    assert nothing.missing.keys() == {"memory://photos/*.jpg", "memory://none"}


@pytest.mark.parametrize("protocol", ["file", "local"])
def test_urls_of_this_machine_keep_the_root(images, tmp_path, protocol):
    (images / "deep").mkdir()
    (images / "0.png").rename(images / "deep" / "0.png")
    url = f"{protocol}://{images}"
    top = [f"{url}/{seed}.png" for seed in range(1, 7)]
    assert find_images([url]).files == find_images([f"{url}/"]).files == top
    assert find_images([f"{url}/*.png"]).files == top
    below = [*top, f"{url}/deep/0.png"]
    assert find_images([url], recursive=True).files == below
    assert find_images([f"{url}/**/*.png"]).files == below
    np.testing.assert_array_equal(read_image(below[-1]), read_image(images / "deep" / "0.png"))
    predict(url, "-o", tmp_path / "out")
    assert list(table(tmp_path / "out")) == top
    archive = shutil.make_archive(str(tmp_path / "photos"), "zip", images, "deep")
    chained = f"zip://deep/0.png::{protocol}://{archive}"
    assert find_images([f"zip://*/*.png::{protocol}://{archive}"]).files == [chained]


def test_a_relative_url_of_this_machine(images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_images(["file://images/*.png"]).files[0] == f"file://{images}/0.png"


def test_urls_of_a_bucket_have_no_root():
    """As s3fs and hf do, but for the network."""

    class Buckets(fsspec.AbstractFileSystem):
        protocol = "buckets"

        def ls(self, path, detail=True, **kwargs):
            return [{"name": "bucket/x.png", "size": 1, "type": "file"}]

    fsspec.register_implementation("buckets", Buckets, clobber=True)
    for url in ("buckets://bucket", "buckets://bucket/*.png"):
        assert files_at(url, recursive=False) == ["buckets://bucket/x.png"]


def test_urls_keep_their_host():
    """As sftp and smb have one, which is no part of the file system's own names."""

    class Remote(fsspec.AbstractFileSystem):
        protocol = "remote"

        @classmethod
        def _strip_protocol(cls, path):
            return infer_storage_options(path)["path"].rstrip("/") or "/"

        def ls(self, path, detail=True, **kwargs):
            return [{"name": f"{path.rstrip('/')}/x.png", "size": 1, "type": "file"}]

    fsspec.register_implementation("remote", Remote, clobber=True)
    for folder in ("remote://host/photos", "remote://someone@host:22/photos", "remote://host"):
        for url in (folder, f"{folder}/", f"{folder}/*.png"):
            assert files_at(url, recursive=False) == [f"{folder}/x.png"], url


def test_images_of_an_archive_by_url(images, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "photos"), "zip", tmp_path, "images")
    url = f"zip://images/*.png::{archive}"
    predict(url, "-o", tmp_path / "out")
    assert list(table(tmp_path / "out")) == [
        f"zip://images/{seed}.png::{archive}" for seed in range(7)
    ]
    predict(images, "-o", tmp_path / "plain")
    assert masks(tmp_path / "out") == masks(tmp_path / "plain")
    assert find_images([f"zip://::{archive}"]).files == find_images([url]).files


def test_images_and_results_at_urls_and_a_second_run(images, tmp_path, memory):
    for file in images.iterdir():
        memory.pipe_file(f"/photos/{file.name}", file.read_bytes())
    predict("memory://photos", "-o", "memory://out", "--format", "coco")
    predict(images, "-o", tmp_path / "out")
    names = {name for name in names_in("memory://out") if name.endswith(".png")}
    assert names == set(masks(tmp_path / "out"))
    for name, content in masks(tmp_path / "out").items():
        assert read_url(f"memory://out/{name}") == content
    assert len(json.loads(read_url("memory://out/predictions_coco.json"))["images"]) == 7
    [note] = names_in("memory://out/manifest")
    whole = read_url("memory://out/predictions.csv")
    memory.rm("/out/3_mask.png")
    before = {path: memory.modified(path) for path in memory.find("/out") if "mask" in path}
    predict("memory://photos", "-o", "memory://out")
    after = {path: memory.modified(path) for path in memory.find("/out") if "mask" in path}
    assert {path for path in after if before.get(path) != after[path]} == {"/out/3_mask.png"}
    assert read_url("memory://out/predictions.csv") == whole
    assert len(names_in("memory://out/manifest")) == 2
    said = predict("memory://photos", "-o", "memory://photos/", status=2)
    assert "holds input images" in said
    predict("memory://photos", "-o", "memory://out", "--overwrite")
    assert note not in names_in("memory://out/manifest")


def test_an_image_at_a_url_is_read_and_written_as_a_file_is(images, memory):
    image = read_image(images / "0.png")
    write_png("memory://x.png", image)
    np.testing.assert_array_equal(read_image("memory://x.png"), image)
    write_url("memory://empty.png", b"")
    for url, reason in (("gone.png", "no such file"), ("empty.png", "zero bytes")):
        with pytest.raises(ImageError, match=f"'memory://{url}'.*{reason}"):
            read_image(f"memory://{url}")
    with pytest.raises(ImageError, match=r"ends in '\.png'"):
        write_png("memory://x.jpg", image)


def test_a_file_system_that_is_not_there_is_named(monkeypatch, images):
    with pytest.raises(OSError, match="Protocol not known: nowhere"):
        files_at("nowhere://x", recursive=False)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    found = find_images(["s3://bucket/photos"])
    assert (
        "needs a package that is not installed (Install s3fs" in found.missing["s3://bucket/photos"]
    )
    with pytest.raises(ImageError, match="needs a package that is not installed"):
        read_image("s3://bucket/photos/x.jpg")


def test_results_are_not_written_into_an_archive(images):
    assert "into an archive" in predict(images, "-o", "zip://x::y.zip", status=2)


# --- the manifest --------------------------------------------------------------------------------


def test_a_run_that_broke_off_goes_on_and_does_nothing_twice(images, tmp_path, monkeypatch):
    predict(images, "-o", tmp_path / "whole")
    out = tmp_path / "out"
    write = ResultFolder.write
    written = []

    def broken(self, file, prediction):
        if len(written) == 4:
            raise MemoryError
        written.append(file.name)
        return write(self, file, prediction)

    with monkeypatch.context() as patch:
        patch.setattr(ResultFolder, "write", broken)
        command = ["predict", str(images), "-o", str(out), "-m", MODEL, "--workers", "1"]
        assert isinstance(CliRunner().invoke(app, command).exception, MemoryError)
    assert not (out / "predictions.csv").exists()
    done = noted(out)
    assert 0 < len(done) <= 4
    # As a process leaves it that is killed within a line.
    [file] = out.glob("manifest/*")
    text = file.read_text()
    file.write_text(text[:-20])
    predict(images, "-o", out)
    assert noted_whole(out) == [f"{seed}.png" for seed in range(7)]
    assert masks(out) == masks(tmp_path / "whole")
    assert table(out) == table(tmp_path / "whole")


def noted_whole(folder: Path) -> list[str]:
    """Names of the images in the whole lines of all notes."""
    found = []
    for file in folder.glob("manifest/*"):
        for line in file.read_text(encoding="utf-8").split("\n")[1:-1]:
            found.append(Path(json.loads(line)["location"]).name)
    return sorted(found)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_process_that_is_killed_loses_nothing(images, tmp_path):
    for seed in range(7, 400):
        os.link(images / f"{seed % 7}.png", images / f"{seed}.png")
    predict(images, "-o", tmp_path / "whole")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "skinseg", "predict", images, "-o", out, "-m", MODEL, "-q"]
    running = subprocess.Popen(list(map(str, command)))
    while running.poll() is None and len(noted_whole(out)) < 50:
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    done = noted_whole(out)
    assert 50 <= len(done) < 400
    # What it was writing when it was killed, and so long ago that nobody writes it now.
    for abandoned in [out / f".{'0' * 32}.tmp", *out.glob(".*.tmp")]:
        abandoned.touch()
        os.utime(abandoned, (0, 0))
    before = {name: (out / f"{Path(name).stem}_mask.png").stat().st_mtime_ns for name in done}
    predict(images, "-o", out)
    after = {name: (out / f"{Path(name).stem}_mask.png").stat().st_mtime_ns for name in done}
    assert before == after
    assert noted_whole(out) == sorted(f"{seed}.png" for seed in range(400))
    assert table(out) == table(tmp_path / "whole")
    assert masks(out) == masks(tmp_path / "whole")
    assert not [*out.glob("*.tmp")]


def test_other_settings_are_refused_in_words(images, tmp_path):
    out = tmp_path / "out"
    predict(images, "-o", out)
    before = masks(out)
    said = predict(images, "-o", out, "--threshold", "0.3", "--tta", status=2)
    assert "made with threshold 0.5, tta False, and these would be with threshold 0.3" in said
    assert "name another folder, or discard those results with --overwrite" in said
    assert masks(out) == before
    predict(images, "-o", out, "--threshold", "0.3", "--overwrite")
    assert masks(out) != before
    assert "made with threshold 0.3" in predict(images, "-o", out, status=2)


def test_settings_follow_the_weights_and_not_their_name(tmp_path):
    network = skinseg.create_model("malunet")
    settings = [prediction_settings(skinseg.Predictor(network))]
    next(network.parameters()).data.add_(1)
    settings.append(prediction_settings(skinseg.Predictor(network)))
    assert settings[0]["weights_sha256"] != settings[1]["weights_sha256"]
    for runtime in ("compile", "optimized"):
        other = skinseg.Predictor(network, runtime=runtime)
        assert prediction_settings(other) == settings[1]


def test_notes_that_are_damaged_are_passed_over(tmp_path):
    settings = {"threshold": 0.5}
    with Manifest(tmp_path, settings) as manifest:
        manifest.note("x.jpg", Row("x.jpg"))
    lines = ['{"settings": {"threshold": 0.5}}', '{"loca', '{"location": "y", "row": {"new": 1}}']
    lines += ["[]", '{"location": "z", "stamp": null, "time": "late", "row": {"file": "z"}}']
    for content in ("", '{"settings": {"thre', "[]\n", "\n".join(lines) + "\n"):
        (tmp_path / "manifest" / f"part-{uuid.uuid4().hex}.jsonl").write_text(content)
    (tmp_path / "manifest" / "of_the_user.jsonl").write_text('{"settings": {"threshold": 0.1}}\n')
    found = Manifest(tmp_path, settings)
    assert found.find("x.jpg") == Row("x.jpg")
    assert found.find("y.jpg") is None
    with pytest.raises(ManifestError, match=r"made with threshold 0\.5, .* with threshold 0\.4"):
        Manifest(tmp_path, {"threshold": 0.4})


def test_a_mask_belongs_to_the_image_that_it_was_made_of_last(images, tmp_path):
    one, other, out = tmp_path / "one", tmp_path / "other", tmp_path / "out"
    for folder, seed in ((one, 1), (other, 2)):
        folder.mkdir()
        (folder / "x.png").write_bytes((images / f"{seed}.png").read_bytes())
    predict(one / "x.png", "-o", out)
    before = masks(out)
    said = " ".join(predict(other / "x.png", "-o", out, status=2).split())
    assert f"is the mask of '{one / 'x.png'}', and '{other / 'x.png'}' would replace it" in said
    assert masks(out) == before
    # An image that was moved is the same image.
    (one / "x.png").rename(tmp_path / "x.png")
    predict(other / "x.png", "-o", out)
    (tmp_path / "x.png").rename(one / "x.png")
    assert masks(out) != before
    (other / "x.png").unlink()
    predict(one / "x.png", "-o", out)
    assert masks(out) == before
    (out / "x_mask.png").unlink()
    (other / "x.png").write_bytes((images / "2.png").read_bytes())
    predict(other / "x.png", "-o", out)  # There is nothing that it replaces.
    (tmp_path / "link").symlink_to(other)
    predict(tmp_path / "link" / "x.png", "-o", out)  # It is the same image.


def test_images_that_moved_to_a_url_are_no_others(images, tmp_path, memory):
    predict(images / "1.png", "-o", tmp_path / "out")
    memory.pipe_file("/photos/1.png", (images / "1.png").read_bytes())
    said = predict("memory://photos/1.png", "-o", tmp_path / "out", status=2)
    assert "'memory://photos/1.png' would replace it" in " ".join(said.split())
    (images / "1.png").unlink()
    predict("memory://photos/1.png", "-o", tmp_path / "out")


def test_the_latest_of_several_notes_counts(tmp_path):
    file = tmp_path / "x.png"
    for number in range(8):
        file.write_bytes(bytes(number))
        with Manifest(tmp_path, {}) as manifest:
            assert manifest.find(file) is None
            manifest.note(file, Row("x.png", mask_file="x_mask.png", width=number))
        assert Manifest(tmp_path, {}).find(file).width == number


def test_an_image_that_is_replaced_while_it_is_segmented_is_not_done(tmp_path):
    file = tmp_path / "x.png"
    file.write_bytes(b"one")
    with Manifest(tmp_path, {}) as manifest:
        manifest.begin([file])
        file.write_bytes(b"another")
        manifest.note(file, Row("x.png", mask_file="x_mask.png"))
    assert Manifest(tmp_path, {}).find(file) is None


def test_overwrite_discards_notes_and_nothing_else(images, tmp_path):
    (tmp_path / "out" / "manifest").mkdir(parents=True)
    (tmp_path / "out" / "manifest" / "mine.txt").write_text("keep")
    predict(images / "1.png", "-o", tmp_path / "out")
    predict(images / "1.png", "-o", tmp_path / "out", "--overwrite")
    kept, _ = sorted((tmp_path / "out" / "manifest").iterdir())
    assert (kept.name, kept.read_text()) == ("mine.txt", "keep")
    predict(images / "1.png", "-o", tmp_path / "new")
    Manifest.discard(tmp_path / "new")
    assert not (tmp_path / "new" / "manifest").exists()


def test_a_name_that_is_too_long_fails_alone(images, tmp_path):
    long = images / f"{'x' * 248}.png"
    long.write_bytes((images / "1.png").read_bytes())
    said = " ".join(predict(images, "-o", tmp_path / "out", status=1).split())
    assert "the name is too long for the file system. Give the image a shorter one" in said
    assert len(masks(tmp_path / "out")) == 7
    assert table(tmp_path / "out")[str(long)]["error"]


def test_an_object_store_gets_an_object_from_time_to_time(memory, monkeypatch):
    seconds = iter([0, 1, 2, *range(20, 40)])
    monkeypatch.setattr("skinseg.batch.manifest.time.monotonic", lambda: next(seconds))
    manifest = Manifest("memory://out", {})
    for name in ("a", "b"):
        manifest.note(name, Row(name))
        assert not names_in("memory://out/manifest")
    manifest.note("c", Row("c"))
    assert len(names_in("memory://out/manifest")) == 1
    assert [Manifest("memory://out", {}).find(n) is not None for n in "abcd"] == [True] * 3 + [
        False
    ]


# --- shards --------------------------------------------------------------------------------------


@given(st.lists(st.text(), unique=True), st.integers(1, 9))
def test_every_image_is_in_one_shard(files, count):
    parts = [Shard(index, count).of(files) for index in range(1, count + 1)]
    assert sorted(file for part in parts for file in part) == sorted(files)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert parts == [Shard(index, count).of(files[::-1]) for index in range(1, count + 1)]


def test_jobs_share_the_images_and_one_command_joins_the_tables(images, tmp_path):
    predict(images, "-o", tmp_path / "whole", "--format", "coco")
    out = tmp_path / "out"
    for index in (3, 1):
        predict(images, "-o", out, "--shard", f"{index}/3", "--format", "coco")
    assert len(table(out, "predictions-1-of-3.csv")) == 3
    assert (out / "predictions_coco-3-of-3.json").is_file()
    assert not (out / "predictions.csv").exists()
    assert len(noted(out)) == 5
    predict(images, "-o", out, "--format", "coco")  # What the second job would have done, too.
    assert noted(out) == [f"{seed}.png" for seed in range(7)]
    assert table(out) == table(tmp_path / "whole")
    coco = "predictions_coco.json"
    assert (out / coco).read_bytes() == (tmp_path / "whole" / coco).read_bytes()


@pytest.mark.parametrize(
    ("shard", "message"),
    [
        ("0/4", "--shard must be 1/4 to 4/4, not 0/4"),
        ("5/4", "--shard must be 1/4 to 4/4, not 5/4"),
        ("2", "--shard must be written as 2/4, for the second of four, not '2'"),
        ("1/0", "--shard must be written as"),
    ],
)
def test_shards_that_are_not_there(images, tmp_path, shard, message):
    assert message in predict(images, "-o", tmp_path / "out", "--shard", shard, status=2)


def test_jobs_do_not_discard_what_others_have_done(images, tmp_path):
    said = predict(images, "-o", tmp_path, "--shard", "1/2", "--overwrite", status=2)
    assert "--overwrite and --shard exclude each other" in said


# --- a cluster -----------------------------------------------------------------------------------


def test_an_actor_does_what_the_single_process_does(images, tmp_path):
    files = sorted(images.iterdir())
    (images / "broken.png").write_bytes(b"")
    files.append(images / "broken.png")
    expected = prediction_settings(skinseg.Predictor(MODEL))
    folder = ResultFolder(tmp_path)
    tasks = on_ray._tasks(files, 8)
    assert len(tasks) == 1
    actor = on_ray._Actor({"model": MODEL, "workers": 1}, folder, expected, os.getcwd())
    answer = actor({"files": [tasks[0]["files"]]})
    assert answer["failure"] == [""]
    rows = [Row(**cells) for _, cells in json.loads(answer["rows"][0])]
    plain = [row for _, row in segment(skinseg.Predictor(MODEL), files, folder)]
    assert rows == plain
    assert "zero bytes" in rows[-1].error
    other = on_ray._Actor({"model": MODEL}, folder, {**expected, "threshold": 0}, os.getcwd())
    assert "other weights" in other({"files": [tasks[0]["files"]]})["failure"][0]
    lost = on_ray._Actor({"model": MODEL}, ResultFolder(tmp_path / "gone"), expected, os.getcwd())
    assert "Cannot write" in lost({"files": [tasks[0]["files"]]})["failure"][0]


def test_tasks_are_whole_batches_and_not_too_many():
    files = [f"{index}.png" for index in range(130)]
    parts = [json.loads(task["files"]) for task in on_ray._tasks(files, 2)]
    assert [len(part) for part in parts] == [16] * 8 + [2]
    assert [name for part in parts for _, name in part] == files
    assert len(on_ray._tasks(["x"] * 200_000, 1)) <= 10_000


def test_ray_that_is_not_installed(images, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    said = predict(images, "-o", tmp_path / "out", "--ray", "local", status=1)
    assert "pip install 'ray[data]'" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_cluster_does_what_the_single_process_does(images, tmp_path):
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    (images / "broken.png").write_bytes(b"")
    for seed in range(7, 80):
        os.link(images / f"{seed % 7}.png", images / f"{seed}.png")
    predict(images, "-o", tmp_path / "whole", status=1)
    out = tmp_path / "out"
    predict(images, "-o", out, "--shard", "1/2", status=1)
    on_gpu = {"model": MODEL, "device": "cuda"}
    ray.init(num_cpus=2, num_gpus=0, include_dashboard=False, log_to_driver=False)
    try:
        predict(images, "-o", out, "--ray", "auto", status=1)
        with pytest.raises(OutputError, match="Cannot write"):
            list(segment_on_ray([images / "0.png"], ResultFolder(out / "no"), {"model": MODEL}))
        with pytest.raises(ValueError, match="the cluster has no GPU"):
            next(segment_on_ray(list(images.iterdir()), ResultFolder(out), on_gpu))
        assert ray.is_initialized()
    finally:
        ray.shutdown()
    assert table(out) == table(tmp_path / "whole")
    assert masks(out) == masks(tmp_path / "whole")
    assert noted(out) == sorted(f"{seed}.png" for seed in range(80))
    assert read_mask(out / "0_mask.png").any()


@pytest.mark.slow
def test_images_and_results_on_s3(images, tmp_path, monkeypatch):
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    server = pytest.importorskip("moto.server", reason="moto is not installed")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    fsspec.filesystem("s3").clear_instance_cache()
    try:
        system = fsspec.filesystem("s3")
        system.mkdir("bucket")
        system.put(f"{images}/", "bucket/photos/", recursive=True)
        predict("s3://bucket/photos", "-o", "s3://bucket/out")
        predict(images, "-o", tmp_path / "out")
        for name, content in masks(tmp_path / "out").items():
            assert read_url(f"s3://bucket/out/{name}") == content
        when = {name: system.modified(name) for name in system.find("bucket/out") if "mask" in name}
        predict("s3://bucket/photos/*.png", "-o", "s3://bucket/out")
        assert len(when) == 7
        assert all(system.modified(name) == time_ for name, time_ in when.items())
    finally:
        running.stop()
        fsspec.filesystem("s3").clear_instance_cache()


def test_write_json_at_a_url(memory):
    write_json("memory://x.json", {"a": 1})
    assert json.loads(read_url("memory://x.json")) == {"a": 1}
