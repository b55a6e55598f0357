"""Score the masks that ``skinseg predict`` writes with the weights that ship.

    python benchmarks/weights/validation_scores.py --data FOLDER

writes docs/results/validation_scores.json and says where a weight record differs from it.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.provenance import provenance
from benchmarks.results import FOLDER
from skinseg import get_pretrained_cfg, list_pretrained
from skinseg.data import ISIC2017, read_mask
from skinseg.files import write_json
from skinseg.metrics import ConfusionCounts

RESULTS = FOLDER / "validation_scores.json"
# A pixel is a ten-millionth of the validation images, and some millionths of a score of lesions.
ROUNDING = 1e-5
DATA = "ISIC 2017 task 1, official validation split"
# One picture is in both official splits: this one is ISIC_0012970 of the training split.
DUPLICATE = "ISIC_0012127"
WITHOUT = f"without {DUPLICATE}, a duplicate of a training image"


def measure(
    model: str, folder: str, threshold: float | None = None
) -> list[dict[str, str | float]]:
    """Run ``skinseg predict`` over the 150 validation images and score the masks it writes.

    Args:
        model: As the command takes it.
        folder: The folder with the ISIC 2017 folders.
        threshold: Probability from which a pixel is lesion; None leaves it to the weights.

    Returns:
        The scores of all of them, and of all but the one that is also a training image.
    """
    dataset = ISIC2017(folder, "val")
    images = [str(dataset.image_path(index)) for index in range(len(dataset))]
    program = str(Path(sys.executable).with_name("skinseg"))
    everything, unseen = ConfusionCounts(), ConfusionCounts()
    with tempfile.TemporaryDirectory() as output:
        command = [program, "predict", *images, "--model", model, "--output", output]
        command += ["--threshold", str(threshold)] if threshold is not None else []
        subprocess.run(command, check=True)
        for index, name in enumerate(dataset.ids):
            predicted = torch.from_numpy(read_mask(Path(output) / f"{name}_mask.png"))[None]
            truth = torch.from_numpy(read_mask(dataset.mask_path(index)))[None]
            everything.update(predicted, truth)
            if name != DUPLICATE:
                unseen.update(predicted, truth)
    height, width = dataset[0].mask.shape
    size = f"{width}x{height}"
    return [
        {"data": DATA, "image_size": size, **everything.scores().to_dict()},
        {"data": f"{DATA}, {WITHOUT}", "image_size": size, **unseen.scores().to_dict()},
    ]


def agree(recorded: Sequence[Mapping[str, Any]], measured: Sequence[Mapping[str, Any]]) -> bool:
    """Whether scores are the same but for single pixels, which rounding may turn over."""
    return len(recorded) == len(measured) and all(
        one.keys() == other.keys()
        and all(
            abs(one[key] - value) < ROUNDING if isinstance(value, float) else one[key] == value
            for key, value in other.items()
        )
        for one, other in zip(recorded, measured, strict=True)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="folder with the ISIC 2017 folders")
    folder = parser.parse_args().data
    scores = {name: measure(name, folder) for name in list_pretrained("*.isic2017")}
    write_json(RESULTS, {"provenance": provenance(), "scores": scores})
    for name, measured in scores.items():
        record = get_pretrained_cfg(name)
        same = record is not None and agree(record.metrics, measured)
        verdict = "as recorded" if same else "NOT as its record says"
        everything, unseen = (f"{scores['pooled_iou']:.4f}" for scores in measured)
        print(f"{name}: pooled IoU {everything}, without the duplicate {unseen}: {verdict}")


if __name__ == "__main__":
    main()
