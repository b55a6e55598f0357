"""Masks as polygons and as COCO's run lengths, and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from scipy import ndimage

from skinseg.data import synthetic_lesion
from skinseg.data.coco_rle import decode_rle, encode_rle
from skinseg.data.polygons import mask_polygons, merged_runs, polygon_runs, simplified
from skinseg.data.run_lengths import RunLengths


@st.composite
def masks(draw: st.DrawFn) -> np.ndarray:
    height, width = draw(st.integers(1, 25)), draw(st.integers(1, 25))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    block = draw(st.sampled_from([(1, 1), (2, 3), (7, 5)]))
    coarse = rng.random((height // block[0] + 1, width // block[1] + 1))
    mask = np.kron(coarse < draw(st.floats(0, 1)), np.ones(block, bool))
    return mask[:height, :width]


def rings(polygons):
    return [ring for polygon in polygons for ring in (polygon.outer, *polygon.holes)]


def signed_area(ring):
    x, y = ring.T
    return (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2


@settings(deadline=None)
@given(masks())
def test_exact_polygons_are_the_mask(mask):
    polygons = mask_polygons(RunLengths.from_mask(mask), tolerance=0)
    np.testing.assert_array_equal(polygon_runs(rings(polygons), mask.shape).to_mask(), mask)
    label, count = ndimage.label(mask)  # Connected over edges.
    assert len(polygons) == count
    for number, polygon in enumerate(polygons, start=1):
        filled = polygon_runs((polygon.outer, *polygon.holes), mask.shape).to_mask()
        np.testing.assert_array_equal(filled, label == number)
        assert signed_area(polygon.outer) > 0
        assert all(signed_area(hole) < 0 for hole in polygon.holes)
    for ring in rings(polygons):
        steps = np.roll(ring, -1, 0) - ring
        turned = np.roll(steps, -1, 0)
        assert ((steps != 0).sum(1) == 1).all()  # Along edges of pixels, ...
        assert ((steps * turned).sum(1) == 0).all()  # ... and with a corner at every point.


def test_a_hole_belongs_to_its_polygon():
    mask = np.zeros((12, 20), bool)
    mask[1:11, 1:11] = True
    mask[3:9, 3:9] = False
    mask[5:7, 5:7] = True  # In the hole of the other one.
    ring, dot = mask_polygons(RunLengths.from_mask(mask))
    assert len(ring.holes) == 1
    assert signed_area(ring.holes[0]) == -36
    assert not dot.holes
    assert ring.to_dict()["holes"][0] == ring.holes[0].tolist()


def test_simplified_polygons_are_short_and_near():
    mask = synthetic_lesion(9, size=256)[1]
    runs = RunLengths.from_mask(mask)
    exact, short = mask_polygons(runs, 0), mask_polygons(runs)
    assert sum(map(len, rings(short))) < 0.5 * sum(map(len, rings(exact)))
    filled = polygon_runs(rings(short), mask.shape).to_mask()
    assert 2 * (filled & mask).sum() / (filled.sum() + mask.sum()) > 0.99
    edge = ndimage.distance_transform_edt(mask) + ndimage.distance_transform_edt(~mask)
    assert edge[filled != mask].max() <= 1.5
    with pytest.raises(ValueError, match="tolerance must be 0 or more pixels, not -1"):
        mask_polygons(runs, -1)


def test_a_line_may_replace_points_that_are_near_it():
    ring = np.array([[0, 0], [5, 0.4], [10, 0], [10, 10], [0, 10]], float)
    assert simplified(ring, 0.5).tolist() == ring[[0, 2, 3, 4]].tolist()
    assert simplified(ring, 0.3).tolist() == ring.tolist()
    assert len(simplified(ring, 100.0)) == 5  # Two points are no polygon.


def test_polygons_are_filled_by_their_pixels_centers():
    triangle = np.array([[0, 0], [4, 0], [0, 4]])
    expected = [[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert polygon_runs([triangle], (4, 4)).to_mask().astype(int).tolist() == expected
    assert polygon_runs([triangle - 100], (4, 4)).area == 0
    beyond = np.array([[-9, -9], [99, -9], [99, 99], [-9, 99]])
    assert polygon_runs([beyond], (4, 5)).to_mask().all()
    big = Image.new("1", (90, 70))
    outline = [(12.5, 8.5), (80.5, 20.5), (60.5, 60.5), (20.5, 50.5)]
    ImageDraw.Draw(big).polygon(outline, fill=1)
    found = polygon_runs([np.array(outline)], (70, 90)).to_mask()
    assert np.count_nonzero(found != np.asarray(big)) < 250  # Pillow draws the border, too.


def test_runs_that_touch_or_overlap_are_merged():
    starts, ends = np.array([8, 0, 2, 20]), np.array([10, 3, 8, 22])
    merged = merged_runs((3, 9), starts, ends)
    assert (merged.starts.tolist(), merged.ends.tolist()) == ([0, 20], [10, 22])


@settings(deadline=None)
@given(masks())
def test_run_lengths_of_coco_there_and_back(mask):
    for compressed in (True, False):
        np.testing.assert_array_equal(decode_rle(encode_rle(mask, compressed=compressed)), mask)


# As pycocotools 2.0.11 writes them.
KNOWN = [
    (np.arange(36) < 30, (36, 1), "0n06"),
    (np.repeat([0, 1, 0, 1], [5, 5, 5, 7]) == 1, (22, 1), "5552"),
    (np.repeat([1, 0, 1, 0], [4, 4, 8, 2]) == 1, (18, 1), "0444N"),
]


@pytest.mark.parametrize(("pixels", "shape", "counts"), KNOWN)
def test_compressed_counts_are_those_of_cocos_own_tools(pixels, shape, counts):
    assert encode_rle(pixels.reshape(shape))["counts"] == counts


def test_counts_of_a_large_mask():
    mask = np.zeros((700, 900), bool)
    mask[100:600, 50:800] = True
    mask[300:310, 200:300] = False
    text = encode_rle(mask)["counts"]
    assert (text[:10], len(text)) == ("lXR1d?X600", 2110)


def test_masks_that_are_no_coco_masks():
    with pytest.raises(ValueError, match="add up to 3, and a mask of 2 x 2 has 4 pixels"):
        decode_rle({"size": [2, 2], "counts": [1, 2]})
    with pytest.raises(ValueError, match="no character of compressed counts"):
        decode_rle({"size": [2, 2], "counts": "ä"})
