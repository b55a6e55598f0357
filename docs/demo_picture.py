"""Draw docs/images/demo.jpg: synthetic lesions, and below them their outlines by EGE-UNet."""

from pathlib import Path

import numpy as np
from PIL import Image

import skinseg
from skinseg.data import synthetic_lesion
from skinseg.files import write_atomically

SEEDS = (9, 2, 6, 11)
SIZE = 320


def main() -> None:
    predictor = skinseg.Predictor("egeunet.isic2017")
    images = [synthetic_lesion(seed, SIZE)[0] for seed in SEEDS]
    outlined = [predictor(image).overlay(image) for image in images]
    rows = [np.concatenate(row, axis=1) for row in (images, outlined)]
    path = Path(__file__).parent / "images" / "demo.jpg"
    path.parent.mkdir(exist_ok=True)
    # As a PNG it would be six times the size, for every reader of the front page. Color at half the
    # resolution, JPEG's default, would blur the outlines.
    picture = Image.fromarray(np.concatenate(rows))
    write_atomically(
        path, lambda file: picture.save(file, format="JPEG", quality=90, subsampling=0)
    )


if __name__ == "__main__":
    main()
