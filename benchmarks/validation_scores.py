"""Score bundled weights as a user gets them: ``skinseg predict``, then its masks against the truth.

    python benchmarks/validation_scores.py --data FOLDER

writes docs/results/validation_scores.json and says where a weight record differs from it.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from provenance import provenance

from skinseg import get_pretrained_cfg, list_pretrained
from skinseg.data import ISIC2017, read_mask
from skinseg.files import write_json
from skinseg.metrics import ConfusionCounts

RESULTS = Path(__file__).parents[1] / "docs" / "results" / "validation_scores.json"
DATA = "ISIC 2017 task 1, official validation split"


def measure(model: str, folder: str) -> dict[str, str | float]:
    """Run ``skinseg predict`` over the 150 validation images and score the masks it writes."""
    dataset = ISIC2017(folder, "val")
    images = [str(dataset.image_path(index)) for index in range(len(dataset))]
    program = str(Path(sys.executable).with_name("skinseg"))
    counts = ConfusionCounts()
    with tempfile.TemporaryDirectory() as output:
        subprocess.run(
            [program, "predict", *images, "--model", model, "--output", output], check=True
        )
        for index, name in enumerate(dataset.ids):
            predicted = read_mask(Path(output) / f"{name}_mask.png")
            truth = read_mask(dataset.mask_path(index))
            counts.update(torch.from_numpy(predicted)[None], torch.from_numpy(truth)[None])
    height, width = dataset[0].mask.shape
    scores = counts.scores().to_dict()
    return {"data": DATA, "image_size": f"{width}x{height}", **scores}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="folder with the ISIC 2017 folders")
    folder = parser.parse_args().data
    scores = {name: measure(name, folder) for name in list_pretrained("*.isic2017")}
    write_json(RESULTS, {"provenance": provenance(), "scores": scores})
    for name, measured in scores.items():
        recorded = get_pretrained_cfg(name).metrics[0]
        same = all(recorded[key] == value for key, value in measured.items())
        verdict = "as recorded" if same else "NOT as its record says"
        print(f"{name}: pooled IoU {measured['pooled_iou']:.4f}, {verdict}")


if __name__ == "__main__":
    main()
