"""A short run in a process of its own: `python train_a_little.py FOLDER EPOCHS KEY=JSON ...`."""

import json
import os
import sys

import torch

import skinseg
from skinseg.data import Augmentation, SyntheticDermoscopy
from skinseg.training import get_recipe, train


def main(folder: str, epochs: str, *settings: str) -> None:
    torch.set_num_threads(1)
    lesions = SyntheticDermoscopy(13, size=32, seed=5)
    train_set, val_set = lesions.subset(lesions.ids[:10]), lesions.subset(lesions.ids[10:])
    changes = {key: json.loads(value) for key, value in (text.split("=") for text in settings)}
    # Where each process makes a network of its own, that of the first one has the seed 0.
    apart = changes.pop("networks_apart", False)
    torch.manual_seed(int(os.environ["RANK"]) if apart else 0)
    network = skinseg.create_model(changes.pop("network", "egeunet"))
    recipe = get_recipe(
        "skinseg",
        epochs=int(epochs),
        size=32,
        # Ten images in batches of four: the last batch is smaller than the others.
        batch_size=4,
        augmentation=Augmentation(rotate=1.0, zoom=(0.7, 1.5), gamma=(0.8, 1.2)),
        **changes,
    )
    log = train(network, train_set, val_set, folder, recipe, resume=True, progress=False)
    # In one piece: what several processes print in pieces is mixed.
    sys.stdout.write(f"validation: {json.dumps([entry['validation'] for entry in log])}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
