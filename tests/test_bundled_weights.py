"""The bundled weights score on real images what their records say."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import skinseg
from benchmarks.weights.validation_scores import measure
from skinseg.data import synthetic_lesion

NAMES = skinseg.list_pretrained("*.isic2017")


@pytest.mark.parametrize("name", NAMES)
def test_synthetic_lesions_are_found(name):
    predictor = skinseg.Predictor(name)
    samples = [synthetic_lesion(seed) for seed in range(12)]
    masks = [prediction.mask for prediction in predictor([image for image, _ in samples])]
    overlap = sum(np.sum(mask & truth) for mask, (_, truth) in zip(masks, samples, strict=True))
    union = sum(np.sum(mask | truth) for mask, (_, truth) in zip(masks, samples, strict=True))
    assert overlap / union > 0.6


def test_the_guide_names_the_weights_that_float16_has_no_numbers_for():
    largest = torch.finfo(torch.float16).max
    beyond = {
        name.partition(".")[0]
        for name in NAMES
        for key, value in load_file(skinseg.get_pretrained_cfg(name).file).items()
        if key.endswith("running_var") and (value > largest).any()
    }
    guide = " ".join((Path(__file__).parents[1] / "docs/guides/speed.md").read_text().split())
    named = guide.partition("the running variance of maps, which in ")[2].partition(" is beyond")[0]
    assert beyond == {"lbunet", "mobilenetv3", "ensemble"}
    assert named == "`lbunet`, `mobilenetv3` and the ensemble"


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_scores_on_the_validation_images_are_those_of_the_record(name, shared_dir):
    measured = measure(name, str(shared_dir / "data" / "isic2017_256"))
    recorded = skinseg.get_pretrained_cfg(name).metrics
    for scores, record in zip(measured, recorded, strict=True):
        assert scores["pooled_iou"] > 0.7
        for key, value in scores.items():
            # Rounding differs between processors, and with it a few pixels in ten million.
            expected = pytest.approx(value, abs=1e-4) if isinstance(value, float) else value
            assert record[key] == expected, key
