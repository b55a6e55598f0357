import pytest
import torch

from skinseg.losses import (
    AUX_WEIGHTS,
    deep_supervision_loss,
    dice_loss,
    iou_loss,
    segmentation_loss,
)
from skinseg.metrics import ConfusionCounts


def test_dice_loss_by_hand():
    logits = torch.tensor([[[[100.0, 100.0, -100.0, -100.0]]]])
    target = torch.tensor([[[[1.0, 0.0, 1.0, 0.0]]]])
    assert dice_loss(logits, target).item() == pytest.approx(1 - (2 * 1 + 1) / (2 + 2 + 1))


def test_dice_loss_is_a_mean_over_images():
    logits, target = torch.randn(3, 1, 8, 8), (torch.rand(3, 1, 8, 8) > 0.5).float()
    apart = sum(dice_loss(logits[i : i + 1], target[i : i + 1]) for i in range(3)) / 3
    torch.testing.assert_close(dice_loss(logits, target), apart)


def test_dice_loss_of_the_batch_weighs_pixels_not_images():
    large, small = torch.ones(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    small[..., 0, 0] = 1
    target = torch.cat([large, small])
    only_large_is_found = torch.cat([large * 200 - 100, torch.full_like(small, -100)])
    pooled = dice_loss(only_large_is_found, target, per_image=False)
    assert pooled.item() == pytest.approx(1 - (2 * 64 + 1) / (64 + 65 + 1), abs=1e-6)
    assert pooled < dice_loss(only_large_is_found, target)


def test_iou_loss_by_hand():
    logits = torch.tensor([[[[100.0, 100.0, -100.0, -100.0]]]])
    target = torch.tensor([[[[1.0, 0.0, 1.0, 0.0]]]])
    assert iou_loss(logits, target).item() == pytest.approx(1 - (1 + 1) / (3 + 1))


@pytest.mark.parametrize("per_image", [True, False])
@pytest.mark.parametrize(("kind", "shares"), [("bce_dice", (1, 1)), ("ce_iou", (0.25, 0.75))])
def test_the_loss_is_entropy_and_region(kind, shares, per_image):
    logits, target = torch.randn(3, 1, 8, 8), (torch.rand(3, 1, 8, 8) > 0.5).float()
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
    region = {"bce_dice": dice_loss, "ce_iou": iou_loss}[kind](logits, target, per_image=per_image)
    expected = shares[0] * entropy + shares[1] * region
    found = segmentation_loss(logits, target, kind=kind, per_image=per_image)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", ["bce_dice", "ce_iou"])
def test_half_precision_is_computed_with_in_float32(kind, dtype):
    logits, target = torch.full((1, 1, 512, 512), 5.0), torch.ones(1, 1, 512, 512)
    expected = deep_supervision_loss(logits, [logits], target, [0.5], kind=kind)
    half = logits.to(dtype)
    for given in (target, target.to(dtype)):
        found = deep_supervision_loss(half, [half], given, [0.5], kind=kind)
        torch.testing.assert_close(found, expected)


def test_an_unknown_loss():
    with pytest.raises(ValueError, match="kind must be one of bce_dice, ce_iou, not 'focal'"):
        segmentation_loss(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), kind="focal")


def test_two_empty_masks_agree():
    assert dice_loss(torch.full((1, 1, 4, 4), -100.0), torch.zeros(1, 1, 4, 4)) == 0


def test_deep_supervision_weighs_the_finest_most():
    target = (torch.rand(2, 1, 8, 8) > 0.5).float()
    logits = torch.randn(2, 1, 8, 8)
    aux = [torch.randn(2, 1, 8, 8) for _ in AUX_WEIGHTS]
    expected = segmentation_loss(logits, target) + sum(
        weight * segmentation_loss(output, target)
        for weight, output in zip((0.1, 0.2, 0.3, 0.4, 0.5), aux, strict=True)
    )
    torch.testing.assert_close(deep_supervision_loss(logits, aux, target), expected)
    with pytest.raises(ValueError, match="2 auxiliary outputs, but 5 weights"):
        deep_supervision_loss(logits, aux[:2], target)


def test_scores_by_hand():
    truth = torch.tensor([[[1, 1, 0, 0]], [[0, 0, 0, 0]]]).bool()
    predicted = torch.tensor([[[1, 0, 1, 0]], [[0, 0, 0, 0]]]).bool()
    counts = ConfusionCounts()
    counts.update(predicted[:1], truth[:1])
    counts.update(predicted[1:], truth[1:])
    scores = counts.scores()
    assert scores.images == 2
    assert scores.pooled_iou == pytest.approx(1 / 3)
    assert scores.pooled_dice == pytest.approx(2 / 4)
    assert scores.accuracy == pytest.approx(6 / 8)
    assert scores.sensitivity == pytest.approx(1 / 2)
    assert scores.specificity == pytest.approx(5 / 6)
    assert scores.mean_iou == pytest.approx((1 / 3 + 1) / 2)  # both masks empty: 1
    assert scores.mean_dice == pytest.approx((1 / 2 + 1) / 2)


def test_pooled_iou_follows_from_pooled_dice():
    counts = ConfusionCounts()
    counts.update(torch.rand(4, 1, 9, 9) > 0.4, torch.rand(4, 1, 9, 9) > 0.6)
    scores = counts.scores()
    assert scores.pooled_iou == pytest.approx(scores.pooled_dice / (2 - scores.pooled_dice))


def test_misuse():
    counts = ConfusionCounts()
    with pytest.raises(ValueError, match="no image"):
        counts.scores()
    with pytest.raises(ValueError, match="predicted masks are"):
        counts.update(torch.zeros(1, 4).bool(), torch.zeros(1, 5).bool())
    with pytest.raises(TypeError, match="must be bool"):
        counts.update(torch.zeros(1, 4), torch.zeros(1, 4).bool())
    for shape in [(64, 64), (3, 2, 8, 8), (1, 1, 1, 8, 8)]:
        masks = torch.zeros(shape).bool()
        with pytest.raises(ValueError, match=r"masks must be \(B, 1, H, W\) or \(B, H, W\)"):
            counts.update(masks, masks)


def test_a_batch_without_images_scores_nothing():
    counts, nothing = ConfusionCounts(), torch.zeros(0, 1, 8, 8).bool()
    counts.update(nothing, nothing)
    with pytest.raises(ValueError, match="no image has been scored"):
        counts.scores()
    some = torch.ones(1, 1, 8, 8).bool()
    counts.update(some, some)
    assert counts.scores().images == 1


def test_only_processes_beside_others_may_have_no_image():
    nothing = torch.zeros(0, 1, 8, 8)
    with pytest.raises(ValueError, match="no image"):
        segmentation_loss(nothing, nothing)
    others = torch.tensor([[1.0, 2.0, 3.0, 4.0, 64.0]])
    found = segmentation_loss(nothing, nothing, across=lambda sums: sums + others)
    assert found.item() == pytest.approx(1 / 64 + 2)
