"""The first chapter: what ``skinseg check`` says of a messy folder, until it can be trained on."""

import json

import numpy as np
from PIL import Image

from benchmarks.first_hour.files import digests
from benchmarks.first_hour.messy_folder import LEFT_OUT, NAME, write
from benchmarks.first_hour.terminal import Terminal, require

TWICE = (
    f"Two images for 'twice 13': '{NAME}/images/twice 13.jpg' and '{NAME}/images/twice 13.png'. "
    "Remove or rename one; a mask beside its image must be called 'twice 13_mask.png'."
)
BROKEN = (
    "Files that cannot be read (3):",
    "cut 6.jpg': the file is truncated",
    "nothing 7.png': the file has zero bytes",
    f"'{NAME}/images/letter 8.jpg'",
    "Images without a mask (1):",
    f"'{NAME}/images/no mask 9.jpg'",
    "Masks of another size than their image (1):",
    f"'{NAME}/masks/other size 10.png' is 50 x 40, its image",
)
REMARKS = (
    "Masks without lesion (1):",
    "healthy 5.png' marks no pixel; its highest level is 0 of 255",
    "IMG_0000, again 12 are one image; keep them in one part of a split",
    f"'{NAME}/masks/of a photograph that is gone.png'",
)
VALUES = (
    f"'{NAME}/masks/values 11.png' holds 0 and 2, and no value that means lesion",
    "--labels 0=background,2=lesion",
)
LABELS = "0=background,2=lesion,255=lesion"
UNKNOWN = "1 mask of values that mean nothing: say what they mean."


def check_and_correct(terminal: Terminal) -> None:
    """Check the folder, correct what has to be, and check again."""
    root = write(terminal.folder)
    before = digests(root)
    for command in (("check", NAME), ("train", "--data", NAME)):
        terminal.refuses(*command, says=TWICE)
    (terminal.folder / "bad").mkdir()
    (root / "images" / "twice 13.png").rename(terminal.folder / "bad" / "twice 13.png")

    heading = "FolderDataset: 41 samples: 6 broken, 3 to look at."
    refusal = f"Error: skinseg train would refuse this. {UNKNOWN}"
    said = [heading, *BROKEN, *VALUES, *REMARKS, refusal]
    terminal.run("check", NAME, status=1, says=said)
    terminal.run("train", "--data", NAME, "-q", status=1, says=[f"Error: {UNKNOWN}", *VALUES])
    left_out = "skinseg train leaves out what is broken; --strict makes that an error."
    heading = "41 samples: 5 broken, 3 to look at."
    terminal.run("check", NAME, "--labels", LABELS, says=[heading, *BROKEN, *REMARKS, left_out])
    before.pop("images/twice 13.png")
    require(digests(root) == before, "the user's files changed")

    with Image.open(root / "masks" / "values 11.png") as picture:
        mask = np.array(picture)
    Image.fromarray((mask > 0) * np.uint8(255)).save(root / "masks" / "values 11.png")
    terminal.run("check", NAME, says=[heading, *BROKEN, *REMARKS, left_out])
    strict = "Something is broken; only without --strict is it left out."
    terminal.run("check", NAME, "--strict", "-q", status=1, says=[strict])
    printed = terminal.run("check", NAME, "--json", "-q")
    findings = json.loads(printed)["findings"]
    broken = {name for found in findings if found["broken"] for name in found["ids"]}
    require(broken == set(LEFT_OUT), f"broken are {broken}")
