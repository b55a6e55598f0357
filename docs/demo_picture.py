"""Draw docs/images/demo.png: synthetic lesions, and below them their outlines by EGE-UNet."""

from pathlib import Path

import numpy as np

import skinseg
from skinseg.data import synthetic_lesion, write_png

SEEDS = (9, 2, 6, 11)
SIZE = 320


def main() -> None:
    predictor = skinseg.Predictor("egeunet.isic2017")
    images = [synthetic_lesion(seed, SIZE)[0] for seed in SEEDS]
    outlined = [predictor(image).overlay(image) for image in images]
    rows = [np.concatenate(row, axis=1) for row in (images, outlined)]
    path = Path(__file__).parent / "images" / "demo.png"
    path.parent.mkdir(exist_ok=True)
    write_png(path, np.concatenate(rows))


if __name__ == "__main__":
    main()
