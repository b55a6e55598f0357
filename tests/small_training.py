"""A network that trains in seconds, and a run of two epochs."""

import torch

import skinseg
from skinseg.training import Recipe, train

SMALL = {"size": 48, "batch_size": 4}


def network(name="basic_unet"):
    torch.manual_seed(0)
    return skinseg.create_model(name, channels=(4, 4, 8, 8, 8, 8))


def run(lesions, folder, *, name="basic_unet", **settings):
    """Train as the settings change `SMALL`; return the network and the log."""
    recipe = Recipe(**{**SMALL, "epochs": 2, **settings})
    model = network(name)
    return model, train(model, *lesions, folder, recipe, progress=False)
