"""Losses of several classes: by hand, against torch's own, and against one another."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from skinseg.losses import (
    boundary_loss,
    dice_loss,
    focal_loss,
    iou_loss,
    segmentation_loss,
    tversky_loss,
)

ALL = [dice_loss, iou_loss, tversky_loss, focal_loss, boundary_loss]


def example(classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, classes, 12, 10, generator=generator, dtype=torch.float64)
    return logits, torch.randint(0, classes, (2, 12, 10), generator=generator)


def found(target, classes=3):
    """Logits that are sure of the target."""
    return 60.0 * F.one_hot(target, classes).movedim(-1, 1) - 30.0


@pytest.mark.parametrize("loss", ALL)
def test_what_is_found_costs_less_than_what_is_not(loss):
    _, target = example()
    target[:, :6] = 1
    assert loss(found(target), target) < loss(found((target + 1) % 3), target)


@pytest.mark.parametrize("loss", ALL)
def test_the_gradient_is_that_of_finite_differences(loss):
    logits, target = example(classes=3)
    small, few = logits[:1, :, :4, :4].clone().requires_grad_(), target[:1, :4, :4]
    assert torch.autograd.gradcheck(lambda x: loss(x, few), small)


@pytest.mark.parametrize("loss", ALL)
def test_two_classes_are_the_binary_loss_of_their_difference(loss):
    logits, target = example(classes=2)
    lesion = logits[:, 1:] - logits[:, :1]
    only_lesion = {} if loss is focal_loss else {"include_background": False}
    binary = loss(lesion, target[:, None].double())
    torch.testing.assert_close(loss(logits, target, **only_lesion), binary)


def test_dice_of_classes_by_hand():
    target = torch.tensor([[[0, 1, 2, 2]]])
    predicted = torch.tensor([[[0, 1, 1, 2]]])
    dice = [(2 + 1) / (2 + 1), (2 + 1) / (3 + 1), (2 + 1) / (3 + 1)]
    assert dice_loss(found(predicted), target).item() == pytest.approx(1 - np.mean(dice))
    without = dice_loss(found(predicted), target, include_background=False)
    assert without.item() == pytest.approx(1 - np.mean(dice[1:]))


def test_a_class_of_the_batch_is_scored_over_its_images():
    target = torch.tensor([[[0, 1]], [[1, 1]]])
    predicted = torch.tensor([[[0, 0]], [[1, 1]]])
    dice = [(2 + 1) / (1 + 2 + 1), (4 + 1) / (3 + 2 + 1)]
    loss = dice_loss(found(predicted, 2), target, per_image=False)
    assert loss.item() == pytest.approx(1 - np.mean(dice))


def test_the_tversky_index_lies_between_the_others():
    logits, target = example()
    torch.testing.assert_close(
        tversky_loss(logits, target, alpha=0.5, beta=0.5), dice_loss(logits, target, smooth=2)
    )
    torch.testing.assert_close(
        tversky_loss(logits, target, alpha=1, beta=1), iou_loss(logits, target)
    )


def test_missed_pixels_cost_more_than_false_ones():
    target = torch.zeros(1, 1, 8, 8)
    target[..., 2:6, 2:6] = 1
    too_small, too_large = target.clone(), target.clone()
    too_small[..., 2, 2:6] = 0  # Four pixels of sixteen are missed.
    too_large[..., 6, 2:6] = 1  # Four pixels too many.
    by_hand = 1 - (12 + 1) / (12 + 0.7 * 4 + 1)
    assert tversky_loss(60 * too_small - 30, target).item() == pytest.approx(by_hand, abs=1e-5)
    by_hand = 1 - (16 + 1) / (16 + 0.3 * 4 + 1)
    assert tversky_loss(60 * too_large - 30, target).item() == pytest.approx(by_hand, abs=1e-5)


def test_focal_loss_without_focus_is_the_cross_entropy():
    logits, target = example()
    torch.testing.assert_close(focal_loss(logits, target, gamma=0), F.cross_entropy(logits, target))
    masks = torch.rand(2, 3, 12, 10, dtype=torch.float64)
    entropy = F.binary_cross_entropy_with_logits(logits, masks)
    torch.testing.assert_close(focal_loss(logits, masks, gamma=0), entropy)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_pixels_that_are_surely_right_have_a_gradient(gamma):
    sure = torch.full((1, 1, 2, 2), 20.0, requires_grad=True)
    classes = torch.tensor([[[[40.0]], [[-40.0]]]], requires_grad=True)
    for logits, target in (
        (sure, torch.ones(1, 1, 2, 2)),
        (classes, torch.zeros(1, 1, 1, dtype=torch.int64)),
    ):
        focal_loss(logits, target, gamma=gamma).backward()
        assert logits.grad.abs().max() < 1e-6  # Not of NaN.


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("loss", ALL)
def test_half_precision_is_computed_with_in_float32(loss, dtype):
    # More pixels of a class than float16 has numbers for.
    logits = torch.full((1, 2, 512, 512), 5.0).to(dtype)
    logits[:, 0] = -5
    logits[..., :8] *= -1
    masks = torch.ones(1, 2, 512, 512)
    for target in (masks, masks[:, 0].long()):
        torch.testing.assert_close(loss(logits, target), loss(logits.float(), target))
    torch.testing.assert_close(loss(logits, masks.to(dtype)), loss(logits.float(), masks))


def test_focal_loss_by_hand():
    logits = torch.tensor([1.0, 2.0]).log().view(1, 2, 1, 1)  # Probabilities 1/3 and 2/3.
    target = torch.tensor([[[1]]])
    expected = 0.25 * (1 / 3) ** 3 * -np.log(2 / 3)
    assert focal_loss(logits, target, gamma=3, alpha=[9.0, 0.25]).item() == pytest.approx(expected)
    binary, lesion, skin = torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1)
    by_hand = 0.25 * np.log(2)
    assert focal_loss(binary, lesion, alpha=0.2).item() == pytest.approx(0.2 * by_hand)
    assert focal_loss(binary, skin, alpha=0.2).item() == pytest.approx(0.8 * by_hand)


def test_boundary_loss_by_hand():
    target = torch.tensor([[[[0.0, 0.0, 1.0, 1.0, 1.0, 0.0]]]])
    distances = torch.tensor([2.0, 1.0, 0.0, -1.0, 0.0, 1.0])
    for pixel, distance in enumerate(distances):
        logits = torch.full_like(target, -100.0)
        logits[..., pixel] = 100
        assert boundary_loss(logits, target).item() == pytest.approx(distance.item() / 6)


def test_masks_without_an_edge_add_nothing():
    for target in (torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)):
        assert boundary_loss(torch.randn(1, 1, 4, 4), target) == 0


@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize(
    ("target", "says"),
    [
        (torch.zeros(2, 1, 4, 4), r"the shape of the logits, \(2, 3, 4, 4\), not \(2, 1, 4, 4\)"),
        (torch.zeros(2, 4, 4, dtype=torch.int32), r"\(2, 4, 4\), int64; it is .* torch.int32"),
        (torch.zeros(2, 4, 5, dtype=torch.int64), r"it is \(2, 4, 5\)"),
        (
            torch.full((2, 4, 4), 3),
            "class 3, and the logits are of classes 0 to 2",
        ),
        (torch.full((2, 4, 4), -1), "the target holds class -1"),
    ],
)
def test_targets_that_do_not_fit(loss, target, says):
    with pytest.raises(ValueError, match=says):
        loss(torch.zeros(2, 3, 4, 4), target)


@pytest.mark.parametrize("loss", [*ALL, segmentation_loss])
@pytest.mark.parametrize(
    ("target", "says"),
    [
        (torch.full((2, 1, 4, 4), 255.0), "numbers from 255 to 255.*divide .* by 255"),
        (torch.full((2, 1, 4, 4), -1.0), "numbers from -1 to -1"),
        (torch.full((2, 1, 4, 4), torch.nan), "numbers from nan"),
        (torch.full((2, 1, 4, 4), 255, dtype=torch.uint8), "torch.uint8"),
    ],
)
def test_masks_of_other_numbers_than_0_to_1(loss, target, says):
    with pytest.raises(ValueError, match=says):
        loss(torch.zeros(2, 1, 4, 4), target)


@pytest.mark.parametrize("loss", [*ALL, segmentation_loss])
def test_bool_masks_and_rounding_are_taken(loss):
    logits, target = torch.randn(2, 1, 4, 4), torch.rand(2, 1, 4, 4) > 0.5
    assert loss(logits, target) == loss(logits, target.float())
    assert loss(logits, target * (1 + 1e-6)).isfinite()


@pytest.mark.parametrize("loss", [*ALL, segmentation_loss])
def test_a_batch_without_images(loss):
    with pytest.raises(ValueError, match="the batch has no image"):
        loss(torch.zeros(0, 1, 4, 4), torch.zeros(0, 1, 4, 4))


def test_every_mask_that_may_overlap_others_has_an_edge():
    target = torch.zeros(1, 2, 16, 16)
    target[..., 4:12, 4:12] = 1
    right = 9 * (2 * target - 1)
    wrong = right.clone()
    wrong[:, 0] *= -1
    assert boundary_loss(wrong, target) > boundary_loss(right, target)


def test_weights_of_classes_as_a_tensor():
    logits, target = example()
    weights = [0.2, 0.3, 0.5]
    expected = focal_loss(logits, target, alpha=weights)
    assert focal_loss(logits, target, alpha=torch.tensor(weights)).item() == pytest.approx(expected)


def test_weights_that_do_not_fit():
    logits, target = example()
    with pytest.raises(ValueError, match="alpha must be 3 weights, one for each class"):
        focal_loss(logits, target, alpha=[0.5, 0.5])
    with pytest.raises(ValueError, match=r"alpha must be a number in 0\.\.1"):
        focal_loss(logits, logits.sigmoid(), alpha=[0.5, 0.5, 0.5])
    with pytest.raises(ValueError, match="gamma must be 0 or more"):
        focal_loss(logits, target, gamma=-1)
    with pytest.raises(ValueError, match="alpha and beta must be 0 or more"):
        tversky_loss(logits, target, alpha=-0.1)
