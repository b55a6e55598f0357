"""Masks as runs: encoded, measured, and written as PNG without their pixels."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from skinseg.data.mask_png import mask_png
from skinseg.data.run_lengths import RunLengths


@st.composite
def masks(draw: st.DrawFn) -> np.ndarray:
    """Noise, blocks and stripes, of any size and density."""
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 1200))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    block = draw(st.sampled_from([(1, 1), (1, 7), (7, 1), (5, 300), (50, 2000)]))
    coarse = rng.random((height // block[0] + 1, width // block[1] + 1))
    mask = np.kron(coarse < draw(st.floats(0, 1)), np.ones(block, bool))
    return mask[:height, :width]


@settings(deadline=None)
@given(masks())
def test_runs_say_what_the_pixels_say(mask):
    runs = RunLengths.from_mask(mask)
    np.testing.assert_array_equal(runs.to_mask(), mask)
    assert runs.to_mask().dtype == bool
    assert runs.area == mask.sum()
    assert runs.components == ndimage.label(mask, np.ones((3, 3)))[1]
    rows, columns = np.nonzero(mask)
    if mask.any():
        box = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
        assert runs.bounding_box == box
    else:
        assert runs.bounding_box is None


@settings(deadline=None)
@given(masks())
def test_holes_are_those_of_scipy(mask):
    filled = RunLengths.from_mask(mask).fill_holes()
    expected = RunLengths.from_mask(ndimage.binary_fill_holes(mask))
    np.testing.assert_array_equal(filled.starts, expected.starts)
    np.testing.assert_array_equal(filled.ends, expected.ends)


@settings(deadline=None)
@given(masks())
def test_largest_component_is_that_of_scipy(mask):
    kept = RunLengths.from_mask(mask).largest_component().to_mask()
    label, count = ndimage.label(mask, np.ones((3, 3)))
    if not count:
        assert not kept.any()
        return
    areas = np.bincount(label.ravel())[1:]
    np.testing.assert_array_equal(kept, label == areas.argmax() + 1)


@settings(deadline=None)
@given(masks())
def test_png_has_every_pixel(mask):
    image = Image.open(io.BytesIO(mask_png(RunLengths.from_mask(mask))))
    image.verify()  # checksums of the chunks
    image = Image.open(io.BytesIO(mask_png(RunLengths.from_mask(mask))))
    assert image.mode == "L"
    np.testing.assert_array_equal(np.asarray(image), mask * 255)


def test_a_snake_is_one_part():
    mask = np.zeros((401, 301), bool)
    mask[::2] = True
    mask[1::4, -1] = mask[3::4, 0] = True
    assert RunLengths.from_mask(mask).components == 1
    mask[200, 150] = False
    assert RunLengths.from_mask(mask).components == 2


@pytest.mark.parametrize("value", [False, True])
def test_masks_of_one_value_are_small_files(value):
    runs = RunLengths.from_mask(np.full((3000, 4000), value))
    data = mask_png(runs)
    assert len(data) < 30_000
    assert np.asarray(Image.open(io.BytesIO(data))).mean() == 255 * value
