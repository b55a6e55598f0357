"""Figures of the outline: known shapes have known ones."""

import math

import numpy as np
import pytest

pytestmark = pytest.mark.slow

MEASURE = """
const [runs, width, height, done] = arguments;
const mask = new Uint8Array(width * height);
for (const [begin, end] of runs) mask.fill(1, begin, end);
Promise.all([import("/contour.js"), import("/shape.js")]).then(([contour, shape]) => {
  const lines = contour.outlines(mask, width, height);
  done({ shape: shape.shapeOf(lines), areas: lines.map((line) => [line.area, line.hole]) });
});
"""


def measured(window, mask):
    flat = np.concatenate([[0], mask.ravel().astype(int), [0]])
    runs = np.flatnonzero(np.diff(flat)).reshape(-1, 2).tolist()
    height, width = mask.shape
    return window.driver.execute_async_script(MEASURE, runs, width, height)


def disk(radius, side=200, center=(100, 100)):
    y, x = np.mgrid[:side, :side] + 0.5
    return (x - center[0]) ** 2 + (y - center[1]) ** 2 <= radius**2


def test_a_disk(window):
    found = measured(window, disk(60))["shape"]
    assert found["border"]["compactness"] == pytest.approx(1, abs=0.01)
    assert found["border"]["solidity"] == pytest.approx(1, abs=0.01)
    assert found["diameters"]["longest"] == pytest.approx(120, abs=1)
    assert found["diameters"]["least"] == pytest.approx(120, abs=1.5)
    assert found["asymmetry"]["long"] < 0.01 and found["asymmetry"]["short"] < 0.01
    assert found["parts"] == 1


def test_a_rectangle(window):
    mask = np.zeros((200, 200), bool)
    mask[20:60, 30:150] = True
    found = measured(window, mask)["shape"]
    assert found["diameters"]["longest"] == pytest.approx(math.hypot(40, 120), abs=1)
    assert found["diameters"]["least"] == pytest.approx(40, abs=0.01)
    assert found["border"]["compactness"] == pytest.approx(320**2 / (4 * math.pi * 4800), rel=0.03)
    assert found["border"]["solidity"] == pytest.approx(1, abs=0.001)


def test_a_half_disk_is_its_mirror_image_along_one_axis_alone(window):
    mask = disk(80)
    mask[:100] = False
    found = measured(window, mask)["shape"]["asymmetry"]
    assert found["short"] < 0.01  # Left and right are alike,
    assert found["long"] > 0.05  # the straight and the round side are not.


def test_a_shape_with_a_dent_is_less_solid(window):
    mask = disk(80)
    mask[100:, 90:110] = False
    found = measured(window, mask)["shape"]["border"]
    assert found["solidity"] < 0.95
    assert found["compactness"] > 1.5


def test_parts_and_holes(window):
    mask = disk(40, center=(60, 60)) & ~disk(15, center=(60, 60)) | disk(10, center=(150, 150))
    found = measured(window, mask)
    assert found["shape"]["parts"] == 2
    assert sorted(hole for _, hole in found["areas"]) == [False, False, True]
    area = sum(-area if hole else area for area, hole in found["areas"])
    assert area == mask.sum()
    # Figures are those of the largest part.
    assert found["shape"]["diameters"]["longest"] == pytest.approx(80, abs=1)


def test_pixels_that_touch_at_a_corner_are_one_part(window):
    found = measured(window, np.eye(9, dtype=bool))
    assert found["shape"]["parts"] == 1


@pytest.mark.parametrize("pixels", [0, 1, 2])
def test_hardly_any_lesion(window, pixels):
    mask = np.zeros((8, 8), bool)
    mask[3, 3 : 3 + pixels] = True
    found = measured(window, mask)["shape"]
    if not pixels:
        assert found is None
    else:
        assert found["parts"] == 1
        assert all(math.isfinite(value) for value in found["diameters"].values())
        assert all(math.isfinite(value) for value in found["asymmetry"].values())
        assert all(math.isfinite(value) for value in found["border"].values())


def test_a_mask_that_fills_the_image(window):
    found = measured(window, np.ones((30, 50), bool))
    assert found["areas"] == [[1500, False]]
    assert found["shape"]["diameters"]["longest"] == pytest.approx(math.hypot(30, 50), abs=1)
