"""Scores agree with independent implementations, and with the rules that papers and ISIC state."""

import math
import sys
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    f1_score,
    jaccard_score,
    recall_score,
)

from skinseg.metrics import (
    CALIBRATION_BINS,
    ConfusionCounts,
    bootstrap_weights,
    boundary_distances,
    brier_score,
    count_pixels,
    expected_calibration_error,
    overlap_scores,
    percentile_interval,
    reliability_bins,
    thresholded_jaccard,
)

SHAPES = [(48, 64), (61, 37), (9, 80)]


def blobs(seed: int, shape: tuple[int, int]) -> np.ndarray:
    """A mask of smooth parts, some with holes, some cut by the frame."""
    noise = np.random.default_rng(seed).normal(size=shape)
    return ndimage.gaussian_filter(noise, 3) > 0.03


def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    """Masks alike and unlike, of several shapes, with single pixels among them."""
    found = []
    for seed, shape in enumerate(SHAPES * 3):
        truth = blobs(seed, shape)
        found.append((ndimage.shift(truth.astype(int), (seed, -seed)) > 0, truth))
        found.append((blobs(100 + seed, shape), truth))
    dot = np.zeros((20, 30), bool)
    dot[3, 4] = True
    return [*found, (np.roll(dot, 5), dot), (np.ones_like(dot), dot)]


PAIRS = pairs()


# --- overlap: scikit-learn -----------------------------------------------------------------------


def sklearn_scores(predicted: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    p, t = predicted.ravel(), truth.ravel()
    return {
        "iou": jaccard_score(t, p),
        "dice": f1_score(t, p),
        "accuracy": accuracy_score(t, p),
        "sensitivity": recall_score(t, p),
        "specificity": recall_score(~t, ~p, zero_division=1.0),
        "class_averaged_iou": jaccard_score(t, p, average="macro"),
        "frequency_weighted_iou": jaccard_score(t, p, average="weighted"),
    }


@pytest.mark.parametrize(("predicted", "truth"), PAIRS)
def test_overlap_is_scikit_learns(predicted, truth):
    scores = overlap_scores(count_pixels(predicted, truth))
    assert {k: float(v) for k, v in scores.items()} == pytest.approx(
        sklearn_scores(predicted, truth), abs=1e-12
    )


def test_pooled_overlap_is_scikit_learns_over_all_pixels():
    counts = sum(count_pixels(*pair) for pair in PAIRS)
    every = [np.concatenate([pair[i].ravel() for pair in PAIRS]) for i in (0, 1)]
    scores = {name: float(value) for name, value in overlap_scores(counts).items()}
    assert scores == pytest.approx(sklearn_scores(*every), abs=1e-12)


def test_fractions_of_all_pixels_score_as_counts_do():
    counts = np.array([[250, 50, 50, 650], [0, 0, 0, 9], [0, 3, 0, 6]])
    scores = overlap_scores(counts)
    for name, found in overlap_scores(counts / counts.sum(1, keepdims=True)).items():
        np.testing.assert_allclose(found, scores[name], err_msg=name)


def test_counts_below_0():
    with pytest.raises(ValueError, match="counts must be 0 or more, and one is -1"):
        overlap_scores(np.array([-1, 2, 3, 4]))


def test_batches_and_images_count_alike():
    collected = ConfusionCounts()
    for predicted, truth in PAIRS:
        collected.update(torch.from_numpy(predicted)[None], torch.from_numpy(truth)[None])
    scores = collected.scores()
    counts = np.stack([count_pixels(*pair) for pair in PAIRS])
    assert scores.pooled_iou == overlap_scores(counts.sum(0))["iou"]
    assert scores.specificity == overlap_scores(counts.sum(0))["specificity"]
    assert scores.mean_dice == pytest.approx(overlap_scores(counts)["dice"].mean(), abs=1e-12)


# --- overlap and boundary: MONAI -----------------------------------------------------------------


def one_hot(mask: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack([~mask, mask])[None].astype(np.float32))


@pytest.mark.parametrize(("predicted", "truth"), PAIRS)
def test_iou_and_mean_iou_are_monais(predicted, truth):
    from monai.metrics import compute_iou

    skin, lesion = compute_iou(one_hot(predicted), one_hot(truth))[0].tolist()
    scores = overlap_scores(count_pixels(predicted, truth))
    assert float(scores["iou"]) == pytest.approx(lesion, abs=1e-6)
    assert float(scores["class_averaged_iou"]) == pytest.approx((skin + lesion) / 2, abs=1e-6)


@pytest.mark.parametrize(("predicted", "truth"), PAIRS)
def test_hd95_is_monais(predicted, truth):
    from monai.metrics import compute_hausdorff_distance

    expected = compute_hausdorff_distance(one_hot(predicted), one_hot(truth), percentile=95)
    assert boundary_distances(predicted, truth).hd95 == pytest.approx(expected.item(), abs=1e-4)


@pytest.mark.parametrize("tolerance", [0.0, 1.0, 2.5, 10.0])
@pytest.mark.parametrize(("predicted", "truth"), PAIRS)
def test_surface_dice_is_monais(predicted, truth, tolerance):
    from monai.metrics import compute_surface_dice

    expected = compute_surface_dice(one_hot(predicted), one_hot(truth), [tolerance])
    found = boundary_distances(predicted, truth).surface_dice(tolerance)
    assert found == pytest.approx(expected.item(), abs=1e-6)


# --- calibration: scikit-learn -------------------------------------------------------------------


def probabilities(seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    probability = random.beta(0.3, 0.6, (40, 50)).astype(np.float32)
    return probability, random.random((40, 50)) < probability**2


@pytest.mark.parametrize("seed", range(3))
def test_brier_is_scikit_learns(seed):
    probability, truth = probabilities(seed)
    expected = brier_score_loss(truth.ravel(), probability.ravel().astype(float))
    assert brier_score(probability, truth) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_ece_follows_from_scikit_learns_reliability_curve(seed):
    probability, truth = probabilities(seed)
    p, t = probability.ravel().astype(float), truth.ravel()
    observed, mean = calibration_curve(t, p, n_bins=CALIBRATION_BINS, strategy="uniform")
    pixels, _ = np.histogram(p, CALIBRATION_BINS, (0, 1))
    expected = np.sum(np.abs(observed - mean) * pixels[pixels > 0]) / p.size
    bins = reliability_bins(probability, truth)
    assert float(expected_calibration_error(bins)) == pytest.approx(expected, abs=1e-9)


def test_calibration_of_several_images_is_that_of_all_their_pixels():
    images = [probabilities(seed) for seed in range(3)]
    added = sum(reliability_bins(*image) for image in images)
    joined = reliability_bins(*(np.concatenate(part) for part in zip(*images, strict=True)))
    np.testing.assert_allclose(added, joined)


def test_certain_and_wrong_is_worst():
    truth = np.array([[True, False]])
    assert brier_score((~truth).astype(float), truth) == 1
    assert expected_calibration_error(reliability_bins((~truth).astype(float), truth)) == 1
    assert expected_calibration_error(reliability_bins(truth.astype(float), truth)) == 0


# --- bootstrap: SciPy ----------------------------------------------------------------------------


def test_interval_of_a_mean_is_scipys():
    values = np.random.default_rng(0).beta(8, 2, 60)
    weights = bootstrap_weights(60, 20_000, seed=1)
    found = percentile_interval(weights @ values / 60)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=2
    ).confidence_interval
    assert found == pytest.approx((expected.low, expected.high), abs=2e-3)


def test_interval_of_a_pooled_score_is_scipys():
    counts = np.random.default_rng(0).integers(1, 400, (40, 4))

    def pooled_iou(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, axis: int) -> np.ndarray:
        return tp.sum(axis) / (tp.sum(axis) + fp.sum(axis) + fn.sum(axis))

    expected = stats.bootstrap(
        tuple(counts[:, :3].T),
        pooled_iou,
        paired=True,
        vectorized=True,
        n_resamples=20_000,
        method="percentile",
        rng=2,
    ).confidence_interval
    weights = bootstrap_weights(40, 20_000, seed=1)
    found = percentile_interval(overlap_scores(weights @ counts)["iou"])
    assert found == pytest.approx((expected.low, expected.high), abs=2e-3)


def test_resamples_are_reproducible():
    weights = bootstrap_weights(7, 50, seed=3)
    np.testing.assert_array_equal(weights, bootstrap_weights(7, 50, seed=3))
    assert (weights != bootstrap_weights(7, 50, seed=4)).any()
    assert set(weights.sum(1)) == {7}


# --- ISIC's rules --------------------------------------------------------------------------------


def test_isics_rules_by_hand():
    """Jaccard of each image, 0 below 0.65, averaged; two empty masks agree."""
    row = np.arange(20)[None]
    cases = [
        (row < 13, row < 20, 0.65),  # exactly at the threshold: counts
        (row < 12, row < 20, 0.0),  # 0.60: a failure
        (row < 18, row < 20, 0.9),
        (row < 0, row < 0, 1.0),  # both empty
        (row < 0, row < 5, 0.0),
        (row < 5, row < 0, 0.0),
    ]
    counts = np.stack([count_pixels(predicted, truth) for predicted, truth, _ in cases])
    found = thresholded_jaccard(overlap_scores(counts)["iou"])
    assert found.tolist() == pytest.approx([score for *_, score in cases])
    assert found.mean() == pytest.approx((0.65 + 0.9 + 1) / 6)


def test_isics_own_scorer_gives_the_same(monkeypatch):
    # The scorer imports a reader of ZIP files that needs a compiler, and is not needed here.
    monkeypatch.setitem(sys.modules, "zipfile_deflate64", zipfile)
    reason = "pip install --no-deps isic-challenge-scoring, with pandas and rdp, compares with it"
    isic = pytest.importorskip("isic_challenge_scoring.segmentation", reason=reason)

    empty = np.zeros((9, 9), bool)
    chosen = [*PAIRS, (empty, empty), (empty, ~empty), (~empty, empty), (~empty, ~empty)]
    images = [
        SimpleNamespace(
            image_id=str(number),
            truth_image=truth.astype(np.uint8) * 255,
            prediction_image=predicted.astype(np.uint8) * 255,
        )
        for number, (predicted, truth) in enumerate(chosen)
    ]
    expected = isic.SegmentationScore(images).macro_average
    scores = overlap_scores(np.stack([count_pixels(*pair) for pair in chosen]))
    scores["jaccard"] = scores["iou"]
    scores["threshold_jaccard"] = thresholded_jaccard(scores["iou"])
    found = {name: scores[name].mean() for name in expected.index}
    assert found == pytest.approx(expected.to_dict())


# --- empty masks ---------------------------------------------------------------------------------


def test_two_empty_masks_agree():
    empty = np.zeros((30, 40), bool)
    scores = overlap_scores(count_pixels(empty, empty))
    assert set(map(float, scores.values())) == {1.0}
    distances = boundary_distances(empty, empty)
    assert (distances.hd95, distances.surface_dice(0)) == (0, 1)


@pytest.mark.parametrize("truth_is_empty", [True, False])
def test_one_empty_mask_is_the_worst_there_is(truth_is_empty):
    empty, lesion = np.zeros((30, 40), bool), np.zeros((30, 40), bool)
    lesion[10:20, 10:20] = True
    predicted, truth = (lesion, empty) if truth_is_empty else (empty, lesion)
    scores = overlap_scores(count_pixels(predicted, truth))
    assert (scores["iou"], scores["dice"]) == (0, 0)
    assert scores["sensitivity"] == (1 if truth_is_empty else 0)
    distances = boundary_distances(predicted, truth)
    assert distances.hd95 == math.hypot(30, 40)
    assert distances.surface_dice(1e9) == 0


# --- misuse --------------------------------------------------------------------------------------


def test_misuse():
    mask = np.zeros((4, 5), bool)
    with pytest.raises(ValueError, match=r"\(4, 5\), the true one \(5, 4\)"):
        count_pixels(mask, mask.T)
    with pytest.raises(TypeError, match="predicted mask must be bool, not float64"):
        boundary_distances(mask.astype(float), mask)
    with pytest.raises(ValueError, match="tolerance must be 0 or more"):
        boundary_distances(mask, mask).surface_dice(-1)
    with pytest.raises(ValueError, match=r"must be in 0\.\.1, not 0 to 255"):
        brier_score(np.array([0.0, 255.0]), np.array([True, False]))
    with pytest.raises(ValueError, match=r"must be in 0\.\.1"):
        reliability_bins(np.array([np.nan, 0.5]), np.array([True, False]))
    with pytest.raises(TypeError, match="true mask must be bool"):
        brier_score(np.array([0.5]), np.array([1]))
    with pytest.raises(ValueError, match=r"must be \(\.\.\., 4\)"):
        overlap_scores(np.zeros(3))
    with pytest.raises(ValueError, match="must be 1 or more"):
        bootstrap_weights(0, 10)
    with pytest.raises(ValueError, match="above 0 and below 1"):
        percentile_interval(np.zeros(3), 95)
