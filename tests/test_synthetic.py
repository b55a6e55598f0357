"""Synthetic dermoscopy: the same for a seed, exact in its masks, and like the real thing."""

import math
import pickle

import numpy as np
import pytest

from skinseg.data import (
    DatasetError,
    SegmentationDataset,
    SyntheticDermoscopy,
    check_dataset,
    synthetic_lesion,
)
from skinseg.data.synthetic.lesion import draw_outline
from skinseg.data.synthetic.noise import cell_noise, value_noise
from skinseg.data.synthetic.skin import skin_color

PLAIN = {"hairs": 0, "bubbles": 0, "ruler": False, "vignette": False}


@pytest.mark.parametrize("size", [32, 97, (64, 80), (80, 64)])
def test_shapes_and_types(size):
    image, mask = synthetic_lesion(3, size)
    shape = (size, size) if isinstance(size, int) else size
    assert (image.shape, image.dtype) == ((*shape, 3), np.uint8)
    assert (mask.shape, mask.dtype) == (shape, np.bool_)


def test_seed_decides_everything():
    first, again, other = synthetic_lesion(5, 96), synthetic_lesion(5, 96), synthetic_lesion(6, 96)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[1] != other[1]).any()


def test_same_picture_as_ever():
    """Figures of one picture, coarse enough for other processors' last bits."""
    image, mask = synthetic_lesion(2024, 128)
    assert mask.mean() == pytest.approx(0.0740, abs=2e-3)
    assert image.mean(axis=(0, 1)) == pytest.approx([163.9, 150.1, 138.9], abs=0.5)


def test_seeds_near_one_another_are_unlike():
    masks = [synthetic_lesion(seed, 64)[1] for seed in range(12)]
    for index, mask in enumerate(masks):
        for other in masks[:index]:
            assert (mask & other).sum() < 0.9 * (mask | other).sum()


def test_same_lesion_at_another_size():
    for seed in range(6):
        small, small_mask = synthetic_lesion(seed, 128, **PLAIN)
        large, large_mask = synthetic_lesion(seed, 384, **PLAIN)
        assert (large_mask[1::3, 1::3] != small_mask).mean() < 0.01
        reduced = large.reshape(128, 3, 128, 3, 3).mean(axis=(1, 3))
        assert np.abs(reduced - small).mean() < 4


def components(mask: np.ndarray) -> int:
    """Counts connected areas by spreading each area's largest pixel number over it."""
    labels = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        padded = np.pad(labels, 1)
        height, width = mask.shape
        around = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]
        spread = np.where(mask, np.max(around, axis=0), 0)
        if (spread == labels).all():
            return len(np.unique(labels)) - (not mask.all())
        labels = spread


def test_lesion_is_one_and_without_holes():
    for seed in range(40):
        _, mask = synthetic_lesion(seed, 64)
        framed = np.pad(mask, 1)
        assert components(mask) == 1, seed
        assert components(~framed) == 1, seed


def test_variety():
    masks = [draw_outline(np.random.default_rng(seed), (64, 64)).mask for seed in range(200)]
    areas = np.array([mask.mean() for mask in masks])
    assert areas.min() > 0.004
    assert areas.max() < 0.8
    assert np.quantile(areas, 0.1) < 0.05
    assert np.quantile(areas, 0.9) > 0.2
    cut = np.mean([mask[[0, -1]].any() or mask[:, [0, -1]].any() for mask in masks])
    assert 0.02 < cut < 0.3


def test_outline_of_the_pigment_is_the_mask():
    """Across the outline the picture changes; a little away from it, far less."""
    on, off = [], []
    for seed in range(30):
        image, mask = synthetic_lesion(seed, 128, **PLAIN)
        gray = image.astype(float).mean(axis=2)
        steps = np.abs(np.diff(gray, axis=1))
        edge = mask[:, 1:] != mask[:, :-1]
        on.append(steps[edge].mean())
        off.append(steps[~mask[:, 1:] & ~edge].mean())
    assert np.mean(on) > 2.5 * np.mean(off)


def test_lesions_are_darker_than_skin():
    contrasts = []
    for seed in range(60):
        image, mask = synthetic_lesion(seed, 64, **PLAIN)
        contrasts.append(image[~mask].mean() - image[mask].mean())
    assert np.mean(np.array(contrasts) > 5) > 0.95
    assert 25 < np.median(contrasts) < 70


def test_skin_tones_run_from_fair_to_dark():
    means = []
    for tone in (65, 48, 30, 0, -40, -60):
        image, mask = synthetic_lesion(1, 64, skin_tone=tone, **PLAIN)
        means.append(image[~mask].mean())
    assert means == sorted(means, reverse=True)
    assert means[0] > 1.8 * means[-1]


@pytest.mark.parametrize("tone", [-50, -20, 10, 35, 60])
@pytest.mark.parametrize("redness", [0, 1])
def test_skin_color_has_the_angle_asked_for(tone, redness):
    srgb = skin_color(tone, redness).astype(float)
    linear = np.where(srgb > 0.04045, ((srgb + 0.055) / 1.055) ** 2.4, srgb / 12.92)
    xyz_of_rgb = [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
    _, y, z = np.cbrt(np.array(xyz_of_rgb) @ linear / (0.95047, 1, 1.08883))
    angle = math.degrees(math.atan2(116 * y - 16 - 50, 200 * (y - z)))
    assert angle == pytest.approx(tone, abs=1)


@pytest.mark.parametrize(
    ("name", "value"), [("hairs", 25), ("bubbles", 8), ("ruler", True), ("vignette", True)]
)
def test_artifacts_come_when_asked_for_and_change_nothing_else(name, value):
    for seed in range(4):
        plain, mask = synthetic_lesion(seed, 96, **PLAIN)
        with_it, same_mask = synthetic_lesion(seed, 96, **{**PLAIN, name: value})
        np.testing.assert_array_equal(mask, same_mask)
        changed = np.abs(plain.astype(int) - with_it).max(axis=2) > 12
        assert changed.mean() > 0.001
        if name != "vignette":
            assert changed.mean() < 0.6


def test_black_ring_hides_no_lesion():
    """Where the corners are all but black, there is no mask."""
    for seed in range(60):
        image, mask = synthetic_lesion(seed, 64, **{**PLAIN, "vignette": True})
        plain = synthetic_lesion(seed, 64, **PLAIN)[0].mean(axis=2)
        seen = mask & (plain > 50)
        assert (image.mean(axis=2)[seen] > 0.25 * plain[seen]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed=-1"),
        ({"seed": 0, "size": 31}, "size"),
        ({"seed": 0, "size": (64, 64, 3)}, "size"),
        ({"seed": 0, "skin_tone": 90}, "skin_tone=90"),
        ({"seed": 0, "hairs": -1}, "hairs=-1"),
        ({"seed": 0, "bubbles": -2}, "bubbles=-2"),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        synthetic_lesion(**arguments)


def test_unknown_arguments_are_refused():
    with pytest.raises(TypeError, match="hair"):
        synthetic_lesion(0, hair=3)


def test_noise_is_the_same_field_at_any_size():
    small = value_noise(np.random.default_rng(0), (40, 60), 5)
    large = value_noise(np.random.default_rng(0), (160, 240), 5)
    assert np.abs(large.reshape(40, 4, 60, 4).mean(axis=(1, 3)) - small).max() < 0.1


def test_cells_agree_with_a_search_of_all_points():
    cells = 5
    x, y = np.meshgrid(*(np.linspace(0, 0.99, count, dtype=np.float32) for count in (21, 17)))
    heart, wall, _ = cell_noise(np.random.default_rng(0), x, y, cells, extent=(1, 1))
    points = np.random.default_rng(0).random((3, cells + 3, cells + 3), dtype=np.float32)
    point_x = points[0] + np.arange(-1, cells + 2)
    point_y = points[1] + np.arange(-1, cells + 2)[:, None]
    distances = np.hypot(
        point_x.ravel() - x[..., None] * cells, point_y.ravel() - y[..., None] * cells
    )
    distances.sort(axis=-1)
    np.testing.assert_allclose(heart, distances[..., 0], atol=1e-5)
    assert (wall >= 0).all()
    assert (heart + 2 * wall <= np.sqrt(8)).all()


# --- as a data set -------------------------------------------------------------------------------


def test_dataset():
    dataset = SyntheticDermoscopy(4, size=48, seed=20)
    assert isinstance(dataset, SegmentationDataset)
    assert dataset.ids == [f"synthetic_{seed}" for seed in (20, 21, 22, 23)]
    assert dataset.image_path(0) is dataset.mask_path(0) is None
    assert [sample.id for sample in dataset] == dataset.ids
    np.testing.assert_array_equal(dataset[2].image, synthetic_lesion(22, 48)[0])
    np.testing.assert_array_equal(dataset[-1].mask, synthetic_lesion(23, 48)[1])
    for reach in (dataset.__getitem__, dataset.image_path, dataset.mask_path):
        with pytest.raises(IndexError):
            reach(4)


def test_dataset_can_be_cut():
    dataset = SyntheticDermoscopy(5, size=48)
    subset = dataset.subset(["synthetic_3", "synthetic_1"])
    assert len(subset) == 2
    np.testing.assert_array_equal(subset[0].image, dataset[3].image)
    assert [len(part) for part in dataset.random_split((0.6, 0.4))] == [3, 2]
    assert pickle.loads(pickle.dumps(subset)).ids == subset.ids


def test_dataset_passes_the_check():
    assert check_dataset(SyntheticDermoscopy(6, size=48), progress=False).findings == ()


def test_dataset_of_nothing():
    with pytest.raises(DatasetError, match="length=0"):
        SyntheticDermoscopy(0)
