"""The fourth chapter: masks for many photographs, interrupted and gone on with."""

import csv
from pathlib import Path

from PIL import Image

from benchmarks.first_hour.files import digests
from benchmarks.first_hour.messy_folder import NAME, UNREADABLE
from benchmarks.first_hour.scores import MODEL
from benchmarks.first_hour.terminal import Interruption, Terminal, require
from skinseg.data import synthetic_lesion

PHOTOGRAPHS = 40


def predict_and_go_on(terminal: Terminal) -> None:
    """Segment the messy folder, and many photographs with Ctrl-C in the middle."""
    mine = digests(terminal.folder / NAME)
    command = ("predict", f"{NAME}/images", "--model", MODEL, "--output", "masks")
    errors = [f"{name}." for name in UNREADABLE]
    done = "38 of 41 images segmented; masks in 'masks', table in 'masks/predictions.csv'"
    terminal.run(*command, status=1, says=[*errors, done], only=True)
    _is_complete(terminal.folder / "masks", 38, 3)
    require(digests(terminal.folder / NAME) == mine, "the user's files changed")

    write_photographs(terminal.folder / "photographs")
    command = ("predict", "photographs", "--model", MODEL, "--workers", 1, "--batch-size", 1)
    done = f"{PHOTOGRAPHS} of {PHOTOGRAPHS} images segmented"
    terminal.run(*command, "--overlay", "--output", "whole", says=[done], only=True)
    out = terminal.folder / "interrupted"
    some = Interruption(
        "after four masks", lambda *_: out.is_dir() and len([*out.glob("*_mask.png")]) > 3
    )
    options = ("--overlay", "--output", "interrupted")
    goes_on = "Interrupted; the same command goes on from there."
    says = [f"of {PHOTOGRAPHS} images segmented", goes_on]
    terminal.run(*command, *options, status=130, says=says, only=True, interrupt=some)
    with open(out / "predictions.csv", newline="", encoding="utf-8") as file:
        rows = [row["mask_file"] for row in csv.DictReader(file)]
    require(0 < len(rows) < PHOTOGRAPHS, f"{len(rows)} photographs were segmented")
    early = {name: (out / name).stat().st_mtime_ns for name in rows}
    terminal.run(*command, *options, says=[done], only=True)
    require(_results(out) == _results(terminal.folder / "whole"), "masks differ")
    late = {name: (out / name).stat().st_mtime_ns for name in rows}
    require(early == late, "a mask that was there was made again")


def _results(folder: Path) -> dict[str, str]:
    """The hash of every result by its name; the manifest tells which process wrote it."""
    found = digests(folder)
    return {name: digest for name, digest in found.items() if not name.startswith("manifest")}


def write_photographs(folder: Path) -> None:
    """Write photographs as of a phone, but smaller."""
    folder.mkdir()
    for number in range(PHOTOGRAPHS):
        picture = Image.fromarray(synthetic_lesion(number % 6, (72, 96))[0])
        picture.resize((640, 480)).save(folder / f"IMG {number:03}.JPG", "JPEG")


def _is_complete(folder: Path, masks: int, errors: int) -> None:
    with open(folder / "predictions.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = {row["mask_file"] for row in rows if not row["error"]}
    require(len(names) == masks, f"{len(names)} masks in the table")
    require(names == {path.name for path in folder.glob("*.png")}, "table and masks differ")
    require(sum(bool(row["error"]) for row in rows) == errors, "the table lacks errors")
    for row in rows:
        if not row["error"]:
            with Image.open(folder / row["mask_file"]) as mask:
                size = (int(row["width"]), int(row["height"]))
                require(mask.size == size, f"{row['mask_file']} has another size")
