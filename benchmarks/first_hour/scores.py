"""The third chapter: scores on images that the network has not seen."""

import json

from benchmarks.first_hour.files import digests
from benchmarks.first_hour.messy_folder import NAME
from benchmarks.first_hour.terminal import BAR, Interruption, Terminal, require
from benchmarks.first_hour.training import RUN

MODEL = f"local-dir:{RUN}"
COUNT = 12
SCORED = Interruption("when images were scored", lambda _, said: BAR in said)


def evaluate(terminal: Terminal) -> None:
    """Draw images, score them, and do not score a folder in which something is missing."""
    images = terminal.folder / "many" / "images"
    drawn = Interruption(
        "after three pictures", lambda *_: images.is_dir() and len([*images.glob("*.png")]) > 2
    )
    synth = ("synth", "many", "--count", 5000, "--size", 64, "-q")
    says = ["Error: interrupted; of 5,000 pictures, "]
    terminal.run(*synth, status=130, says=says, only=True, interrupt=drawn)
    masks = {path.name for path in (terminal.folder / "many" / "masks").iterdir()}
    require({path.name for path in images.iterdir()} <= masks, "a picture has no mask")

    says = [f"{COUNT} pictures in 'unseen/images', with masks in 'unseen/masks'"]
    terminal.run("synth", "unseen", "--count", COUNT, "--size", 128, "--seed", 900, says=says)
    before = digests(terminal.folder / "unseen")
    command = ("evaluate", "--data", "unseen", "--model", MODEL, "--output", "scores")
    scores = terminal.folder / "scores"
    says = ["Error: interrupted; a part of the images gives no scores, and nothing was written."]
    # So many resamples take longer than it takes to press a key.
    long = (*command, "--bootstrap", 100_000)
    terminal.run(*long, status=130, says=says, interrupt=SCORED)
    require(not [*scores.iterdir()], "half an evaluation was written")
    says = [f"{MODEL} on unseen: {COUNT} images", "Written: "]
    terminal.run(*command, says=says)
    kinds = {"evaluation.json", "evaluation.md", "gallery.html", "per_image.csv"}
    require({path.name for path in scores.iterdir()} == kinds, "other files than an evaluation's")
    again = json.loads(terminal.run(*command[:-2], "--json", "-q"))
    kept = json.loads((scores / "evaluation.json").read_text(encoding="utf-8"))
    kept.pop("gallery")
    require(again == kept, "the same command gave other scores")
    require(digests(terminal.folder / "unseen") == before, "the user's files changed")

    command = ("evaluate", "--data", NAME, "--model", MODEL, "-q")
    terminal.run(*command, status=2, says=["no mask 9"])
