import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skinseg.data.normalization import Normalization
from skinseg.data.transforms import (
    RandomGeometry,
    RandomWhiteBalance,
    resize_images,
    resize_masks,
)


def disc(height, width):
    """A mask, and an image that shows it."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    mask = (x - 0.55 * width) ** 2 + (y - 0.45 * height) ** 2 < 8**2
    mask = mask[None, None].repeat(8, 1, 1, 1)
    return (mask * 255).to(torch.uint8).repeat(1, 3, 1, 1), mask


@settings(max_examples=8, deadline=None, derandomize=True)
@given(height=st.integers(64, 80), width=st.integers(64, 80), seed=st.integers(0, 99))
def test_image_and_mask_move_together(height, width, seed):
    images, masks = disc(height, width)
    generator = torch.Generator().manual_seed(seed)
    moved, moved_masks = RandomGeometry(rotate=1)(images, masks, generator)
    assert moved_masks.dtype == torch.bool
    # Bilinear and nearest sampling may disagree on the rim, and nowhere else.
    assert ((moved[:, :1] > 127.5) != moved_masks).float().mean() < 0.01
    for mask in moved_masks[:, 0]:
        rows, columns = mask.any(1).sum(), mask.any(0).sum()
        assert abs(rows - 15) <= 2 and abs(columns - 15) <= 2, "the disc is no disc any more"


def test_every_sample_has_its_own_angle():
    images, masks = disc(96, 96)
    _, moved = RandomGeometry(rotate=1)(images, masks, torch.Generator().manual_seed(0))
    assert len({tuple(mask.flatten().tolist()) for mask in moved}) == len(moved)


def test_without_flip_and_rotation_nothing_moves():
    images, masks = disc(64, 80)
    moved, moved_masks = RandomGeometry(flip=0, rotate=0)(images, masks, torch.Generator())
    torch.testing.assert_close(moved, images.float(), atol=1e-2, rtol=0)
    assert torch.equal(moved_masks, masks)


def test_zoom_scales_areas():
    images, masks = disc(96, 96)
    zoom = RandomGeometry(flip=0, rotate=0, zoom=(1.5, 1.5))
    _, moved = zoom(images, masks, torch.Generator())
    assert moved[0].sum() / masks[0].sum() == pytest.approx(1.5**2, rel=0.05)


def test_a_smaller_result_shows_the_same():
    images, masks = disc(96, 96)
    small, small_masks = RandomGeometry(flip=0, rotate=0)(
        images, masks, torch.Generator(), size=(48, 48)
    )
    assert small.shape[-2:] == small_masks.shape[-2:] == (48, 48)
    expected = torch.nn.functional.avg_pool2d(images.float(), 2)
    torch.testing.assert_close(small, expected, atol=1e-2, rtol=0)


def test_white_balance_changes_colours_and_not_shapes():
    images = torch.full((4, 3, 8, 8), 100.0)
    changed = RandomWhiteBalance(strength=0.2)(images, torch.Generator().manual_seed(0))
    assert (changed >= 80).all() and (changed <= 120).all()
    assert len(changed[:, :, 0, 0].unique()) == 12
    assert (changed.amax((2, 3)) == changed.amin((2, 3))).all()


def test_resizing_keeps_kinds():
    images, masks = disc(64, 80)
    assert resize_images(images, (32, 32)).dtype == torch.uint8
    resized = resize_masks(masks, (32, 32))
    assert resized.dtype == torch.bool and resized.shape == (8, 1, 32, 32)
    assert resize_images(images, (64, 80)) is images


def test_min_max_undoes_exposure():
    image = torch.rand(2, 3, 8, 8) * 100
    normalize = Normalization()
    torch.testing.assert_close(normalize(image), normalize(image * 1.7 + 20), atol=1e-2, rtol=0)
    assert normalize(image).amin() == 0 and normalize(image).amax() == pytest.approx(255)
    assert torch.equal(normalize(torch.full((1, 3, 4, 4), 9)), torch.zeros(1, 3, 4, 4))


def test_mean_and_std():
    normalize = Normalization.from_dict({"kind": "mean_std", "mean": [0.5] * 3, "std": [0.25] * 3})
    assert torch.equal(normalize(torch.full((1, 3, 1, 1), 255)), torch.full((1, 3, 1, 1), 2.0))
    assert Normalization.from_dict(normalize.to_dict()) == normalize


@pytest.mark.parametrize("settings", [{"kind": "zscore"}, {"kind": "mean_std"}])
def test_impossible_normalization(settings):
    with pytest.raises(ValueError, match="kind"):
        Normalization(**settings)
