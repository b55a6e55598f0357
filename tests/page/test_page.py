"""The page in the browser, end to end: what it draws is what Python draws, and nothing leaves."""

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import skinseg
from skinseg.data import read_mask, synthetic_lesion

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("page")]

IOU = 0.995
NETWORKS = ("egeunet", "basic_unet", "lmsaunet", "malunet")


def iou(a, b):
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0


def outlined_by_python(path, network="egeunet"):
    return skinseg.Predictor(network)(path)


@pytest.mark.parametrize(
    "name", ["square.png", "wide.jpg", "small.png", "turned.jpg", "see_through.png"]
)
@pytest.mark.parametrize("way", ["drop", "paste"])
def test_the_mask_is_pythons(window, lesions, name, way):
    window.give(lesions[name], way)
    window.wait_for_outline()
    mask = read_mask(window.download("save-mask"))
    expected = outlined_by_python(lesions[name])
    assert mask.shape == expected.mask.shape
    assert 0.01 < expected.area_fraction < 0.9
    assert iou(mask, expected.mask) >= IOU
    assert float(window.text("confidence")) == pytest.approx(expected.confidence, abs=0.006)


@pytest.mark.parametrize("network", NETWORKS)
def test_each_network_draws_what_it_draws_in_python(window, lesions, network):
    window.give(lesions["square.png"])
    window.wait_for_outline()
    window.choose("network", f"{network}.isic2017")
    window.wait_for_outline()
    mask = read_mask(window.download("save-mask"))
    assert iou(mask, outlined_by_python(lesions["square.png"], network).mask) >= IOU
    window.choose("network", "egeunet.isic2017")
    window.wait_for_outline()
