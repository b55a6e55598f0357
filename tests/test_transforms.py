import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skinseg.data import Augmentation
from skinseg.data.normalization import Normalization
from skinseg.data.transforms import resize_images, resize_masks

STILL = {"flip": 0, "rotate": 0}


def augment(images, masks, seed=0, size=None, **settings):
    """Change a batch of bool masks, and return them as bool again."""
    generator = torch.Generator().manual_seed(seed)
    aspect = images.shape[-1] / images.shape[-2]
    changes = Augmentation(**settings).draw(len(images), generator, aspect=aspect)
    images, masks = changes.apply(images, masks.byte() * 255, size)
    return images, masks > 0.5


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
    moved, moved_masks = augment(images, masks, seed, rotate=1)
    # Bilinear and nearest sampling may disagree on the rim, and nowhere else.
    assert ((moved[:, :1] > 127.5) != moved_masks).float().mean() < 0.01
    for mask in moved_masks[:, 0]:
        rows, columns = mask.any(1).sum(), mask.any(0).sum()
        assert abs(rows - 15) <= 2 and abs(columns - 15) <= 2, "the disc is no disc any more"


def test_flips_are_drawn_apart():
    changes = Augmentation(rotate=0).draw(64, torch.Generator().manual_seed(0))
    turned = {(bool(m[0, 0] < 0), bool(m[1, 1] < 0)) for m in changes.matrices}
    assert len(turned) == 4


def test_every_sample_has_its_own_angle():
    images, masks = disc(96, 96)
    _, moved = augment(images, masks, rotate=1)
    assert len({tuple(mask.flatten().tolist()) for mask in moved}) == len(moved)


def test_one_angle_for_all_where_asked():
    images, masks = disc(96, 96)
    _, moved = augment(images, masks, flip=0, rotate=1, rotate_by=90)
    assert len({tuple(mask.flatten().tolist()) for mask in moved}) == 1
    assert not torch.equal(moved, masks)


def test_without_flip_and_rotation_nothing_moves():
    images, masks = disc(64, 80)
    moved, moved_masks = augment(images, masks, **STILL)
    torch.testing.assert_close(moved, images.float(), atol=1e-2, rtol=0)
    assert torch.equal(moved_masks, masks)


def test_zoom_scales_areas():
    images, masks = disc(96, 96)
    _, moved = augment(images, masks, **STILL, zoom=(1.5, 1.5))
    assert moved[0].sum() / masks[0].sum() == pytest.approx(1.5**2, rel=0.05)


def test_a_smaller_result_shows_the_same():
    images, masks = disc(96, 96)
    small, small_masks = augment(images, masks, size=(48, 48), **STILL)
    assert small.shape[-2:] == small_masks.shape[-2:] == (48, 48)
    expected = torch.nn.functional.avg_pool2d(images.float(), 2)
    torch.testing.assert_close(small, expected, atol=1e-2, rtol=0)


def test_white_balance_changes_colors_and_not_shapes():
    images = torch.full((4, 3, 8, 8), 100.0)
    generator = torch.Generator().manual_seed(0)
    changed = Augmentation(white_balance=0.2).draw(4, generator).recolor(images)
    assert (changed >= 80).all() and (changed <= 120).all()
    assert changed.min() < 95 and changed.max() > 105
    assert len(changed[:, :, 0, 0].unique()) == 12
    assert (changed.amax((2, 3)) == changed.amin((2, 3))).all()


def test_saturation_moves_colors_to_gray_and_light_keeps_black_and_white():
    generator = torch.Generator().manual_seed(0)
    images = torch.tensor([200.0, 100.0, 50.0]).view(1, 3, 1, 1).repeat(4, 1, 2, 2)
    changes = Augmentation(saturation=0.9).draw(4, generator)
    changed = changes.recolor(images)
    spread = changed.amax(1, keepdim=True) - changed.amin(1, keepdim=True)
    torch.testing.assert_close(spread, 150 * changes.saturation.expand_as(spread))
    assert len(spread[:, 0, 0, 0].unique()) == 4
    ends = torch.tensor([0.0, 128.0, 255.0]).view(1, 1, 1, 3).repeat(4, 3, 1, 1)
    changed = Augmentation(gamma=(0.5, 2.0)).draw(4, generator).recolor(ends)
    torch.testing.assert_close(changed[..., 0::2], ends[..., 0::2])
    assert (changed[..., 1] != 128).all()


def test_soft_masks_stay_soft_and_others_become_hard():
    images = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    masks = torch.full((2, 1, 64, 64), 51, dtype=torch.uint8)
    changes = Augmentation().draw(2, torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        changes.apply(images, masks, soft=True)[1], torch.full((2, 1, 64, 64), 0.2)
    )
    assert changes.apply(images, masks)[1].sum() == 0


def test_changes_of_a_part_are_those_of_the_whole():
    images, masks = torch.rand(5, 3, 32, 32) * 255, torch.zeros(5, 1, 32, 32)
    everything = Augmentation(
        rotate=1, zoom=(0.7, 2.0), white_balance=0.2, saturation=0.3, gamma=(0.7, 1.4)
    ).draw(5, torch.Generator().manual_seed(0))
    whole, _ = everything.apply(images, masks)
    rows = slice(1, 4)
    part, _ = everything.part(rows).apply(images[rows], masks[rows])
    assert torch.equal(part, whole[rows])


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"flip": 2}, r"flip must be in 0..1"),
        ({"zoom": (2.0, 1.0)}, "zoom must be a range above 0, low first"),
        ({"gamma": (0.0, 1.0)}, "gamma must be a range above 0"),
    ],
)
def test_impossible_augmentations(settings, says):
    with pytest.raises(ValueError, match=says):
        Augmentation(**settings)


def test_resizing_keeps_kinds():
    images, masks = disc(64, 80)
    assert resize_images(images, (32, 32)).dtype == torch.uint8
    resized = resize_masks(masks, (32, 32))
    assert resized.dtype == torch.bool and resized.shape == (8, 1, 32, 32)
    assert resize_images(images, (64, 80)) is images


def test_a_smaller_image_is_the_average_of_the_larger():
    """Not a sample of it: lines between the sampled pixels would come and go."""
    lines = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    lines[..., ::4] = 200
    small = resize_images(lines, (16, 16))[..., 2:-2].float()
    assert (small - 50).abs().max() <= 10


def test_resized_masks_stay_where_they_are():
    masks = torch.rand(1, 1, 48, 48, generator=torch.Generator().manual_seed(0)) > 0.5
    for dims in ((2,), (3,)):
        mirrored = resize_masks(masks.flip(dims), (16, 16)).flip(dims)
        assert torch.equal(mirrored, resize_masks(masks, (16, 16)))


def test_min_max_is_of_all_channels():
    image = torch.rand(1, 3, 8, 8) + torch.tensor([0.0, 5.0, 9.0]).view(1, 3, 1, 1)
    low = Normalization()(image).amin((0, 2, 3))
    assert low[0] == 0 and low[1] > 100 and low[2] > low[1]


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


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"kind": "mean_std", "mean": (0.5, 0.5), "std": (0.2, 0.0)}, "std must be above 0"),
        ({"kind": "minmax", "scale": 0.0}, "scale must be above 0, not 0"),
    ],
)
def test_normalization_that_leaves_no_image(settings, says):
    with pytest.raises(ValueError, match=says):
        Normalization.from_dict(settings)


@pytest.mark.parametrize(
    "normalize",
    [Normalization(), Normalization(kind="mean_std", mean=(0.7, 0.6, 0.5), std=(0.2, 0.1, 0.3))],
    ids=["minmax", "mean_std"],
)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_arrays_are_normalized_as_tensors(normalize, dtype):
    images = (torch.rand(2, 3, 9, 8) * 255).to(dtype)
    images[1] = 7
    array = normalize(images.numpy())
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, normalize(images).numpy())
