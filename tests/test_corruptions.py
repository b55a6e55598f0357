"""Corruptions: of one kind, repeatable, worse with severity, and alike at any resolution."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.robustness import robustness
from skinseg import Predictor, create_model
from skinseg.data import Sample, synthetic_lesion
from skinseg.data.corruptions import SEVERITIES, corrupt, list_corruptions
from skinseg.data.synthetic.skin import skin_color

SIZE = 128
SCRIPT = Path(__file__).parents[1] / "benchmarks" / "robustness" / "robustness.py"


@pytest.fixture(scope="module")
def image():
    return synthetic_lesion(4, SIZE, hairs=0, bubbles=0, ruler=False, vignette=False)[0]


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - other).mean())


def test_the_twelve_kinds():
    assert len(list_corruptions()) == len(set(list_corruptions())) == 12
    assert {"hair", "skin_tone", "motion_blur"} < set(list_corruptions())


@pytest.mark.parametrize("kind", list_corruptions())
def test_worse_with_severity_and_the_same_for_a_seed(kind, image):
    for seed in range(3):
        before = image.copy()
        results = [corrupt(image, kind, severity, seed) for severity in SEVERITIES]
        for severity, result in zip(SEVERITIES, results, strict=True):
            assert (result.shape, result.dtype) == (image.shape, np.uint8)
            np.testing.assert_array_equal(result, corrupt(image, kind, severity, seed))
        np.testing.assert_array_equal(image, before)
        strengths = [difference(result, image) for result in results]
        assert 0 < strengths[0] < strengths[-1] / 2
        assert strengths == sorted(set(strengths)), strengths


@pytest.mark.parametrize("kind", list_corruptions())
def test_seeds_differ(kind, image):
    results = [corrupt(image, kind, 4, seed) for seed in range(4)]
    # The strength of compression and of defocus is all there is to them.
    same = kind in ("jpeg", "defocus")
    assert all((result == results[0]).all() == same for result in results[1:])


def test_kinds_draw_apart(image, monkeypatch):
    """Or the hairs of a seed would lie where its ink lies, and both be long or short."""
    drawn = []
    kinds = dict.fromkeys("ab", lambda rng, image, level: drawn.append(rng.random()) or image)
    monkeypatch.setattr(sys.modules[corrupt.__module__], "_KINDS", kinds)
    for kind in kinds:
        corrupt(image, kind, 1)
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize("kind", list_corruptions())
def test_same_look_at_any_resolution(kind):
    """A large picture, corrupted and then reduced, is like the reduced picture, corrupted."""
    small = np.asarray(Image.fromarray(synthetic_lesion(7, 256, hairs=0)[0]))
    large = np.asarray(Image.fromarray(small).resize((768, 768), Image.Resampling.BICUBIC))
    for severity in (2, 5):
        want = corrupt(small, kind, severity, seed=1)
        reduced = Image.fromarray(corrupt(large, kind, severity, seed=1)).reduce(3)
        clean = np.asarray(Image.fromarray(large).reduce(3))
        strength = difference(want, small)
        assert difference(np.asarray(reduced), clean) == pytest.approx(strength, rel=0.35)
        assert difference(np.asarray(reduced), want) < max(0.6 * strength, 1)


@pytest.mark.parametrize("kind", list_corruptions())
def test_any_proportions(kind, image):
    part = image[:40, :97]
    assert corrupt(part, kind, 5).shape == part.shape


def test_hairs_are_the_same_and_more(image):
    few, many = (corrupt(image, "hair", severity, 2).astype(int) for severity in (1, 4))
    hairs = image.astype(int).mean(axis=2) - few.mean(axis=2) > 30
    assert hairs.any()
    assert (many.mean(axis=2)[hairs] < image.mean(axis=2)[hairs] - 25).mean() > 0.95


def test_blur_keeps_a_plain_picture_and_the_light():
    plain = np.full((64, 64, 3), 120, np.uint8)
    point = np.zeros((64, 64, 3), np.float64)
    point[32, 32] = 1
    for kind in ("defocus", "motion_blur"):
        assert difference(corrupt(plain, kind, 5), plain) < 0.6
        spread = (corrupt((255 * point).astype(np.uint8), kind, 4) / 255.0) ** 2.2
        assert spread.sum() == pytest.approx(3, rel=0.15)
        # Light stays where it was: the point's center does not move.
        rows = (spread.sum(axis=(1, 2)) * np.arange(64)).sum() / spread.sum()
        assert rows == pytest.approx(32, abs=0.5)


def test_exposure_goes_both_ways_and_skin_tone_only_down(image):
    means = [corrupt(image, "exposure", 3, seed).mean() - image.mean() for seed in range(12)]
    assert min(means) < -5 < 5 < max(means)
    assert all(corrupt(image, "skin_tone", 3, s).mean() < image.mean() - 5 for s in range(6))


def test_skin_tone_turns_the_color_of_skin_towards_darker_skin():
    fair, dark = (np.round(255 * skin_color(tone, 0.5)) for tone in (50, -35))
    picture = np.tile(fair.astype(np.uint8), (40, 40, 1))
    result = corrupt(picture, "skin_tone", 5, 0)[0, 0].astype(float)
    want = dark / 255
    # Brightness apart, which the camera corrects in part, it is the color of dark skin.
    ratio = (result / 255) ** 2.2 / want**2.2
    assert ratio.max() / ratio.min() < 1.25
    assert (result < fair).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("motion blur", 1), "motion_blur"),
        (("har", 1), "did you mean hair"),
        (("hair", 0), "severity must be 1, 2, 3, 4 or 5, not 0"),
        (("hair", 6), "not 6"),
        (("hair", 1.5), "not 1.5"),
        (("hair", 1, -1), "seed must be 0 or more, not -1"),
    ],
)
def test_wrong_arguments(image, arguments, message):
    with pytest.raises(ValueError, match=message):
        corrupt(image, *arguments)


@pytest.mark.parametrize("shape", [(64, 64), (64, 64, 4), (3, 64, 64), (64, 31, 3), (2, 64, 64, 3)])
def test_wrong_shape(shape):
    with pytest.raises(ValueError, match="RGB"):
        corrupt(np.zeros(shape, np.uint8), "hair", 1)


@pytest.mark.parametrize("wrong", [np.zeros((64, 64, 3), np.float32), [[0]], None])
def test_wrong_type(wrong):
    with pytest.raises(TypeError, match="uint8"):
        corrupt(wrong, "hair", 1)


def test_page_and_plot_come_from_the_json_alone(tmp_path):
    drops = [{"mean_dice_drop": 0.01 * severity, "standard_error": 0.002} for severity in range(5)]
    origin = {"commit": "0123456789", "uncommitted": [], "hardware": "a processor"}
    entry = {"mean_dice": 0.9, "weights_sha256": "ab" * 32, "provenance": origin}
    networks = {"a<b": {**entry, "drops": dict.fromkeys(list_corruptions(), drops)}}
    data = {"data": "some images", "images": ["x"], "fingerprint": "", "networks": networks}
    (tmp_path / "robustness.json").write_text(json.dumps(data))
    command = [sys.executable, str(SCRIPT), "--page-only", "--output", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    page = (tmp_path / "robustness.md").read_text()
    assert "| mean drop | **2.0** |" in page
    assert page.count("| 0.0 ± 0.2 | 1.0 ± 0.2 | 2.0 ± 0.2 | 3.0 ± 0.2 | 4.0 ± 0.2 |") == 12
    plot = (tmp_path / "robustness.svg").read_text()
    assert plot.count("<polyline") == 12
    assert "a&lt;b" in plot


def test_benchmark_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    samples = [Sample(str(seed), *synthetic_lesion(seed, 48)) for seed in range(2)]
    path, measured, measure = tmp_path / "robustness.json", [], robustness.measure

    def network(name):
        torch.manual_seed(len(name))
        return Predictor(create_model("egeunet"), input_size=(32, 32))

    def measured_until_stopped(predictor, samples, name):
        if name == "second" and not path.is_file():
            raise AssertionError("the first network is not on disk yet")
        if name == "second" and len(measured) == 1:
            measured.append("stopped")
            raise KeyboardInterrupt
        measured.append(name)
        return measure(predictor, samples, name)

    monkeypatch.setattr(robustness, "Predictor", network)
    monkeypatch.setattr(robustness, "measure", measured_until_stopped)
    with pytest.raises(KeyboardInterrupt):
        robustness.results(["one", "second"], samples, path)
    assert list(json.loads(path.read_text())["networks"]) == ["one"]
    data = robustness.results(["one", "second"], samples, path)
    assert measured == ["one", "stopped", "second"]
    assert data == json.loads(path.read_text())
    for entry in data["networks"].values():
        assert list(entry["drops"]) == list_corruptions()
        assert {len(drops) for drops in entry["drops"].values()} == {5}
    with pytest.raises(SystemExit, match="other images"):
        robustness.results(["one"], samples[:1], path)
