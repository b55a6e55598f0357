"""The losses that networks are trained with here, lesion against skin.

Every loss is made of sums over images. Where several processes share a batch, ``across`` adds the
sums of all of them, and each process gets the loss of the whole batch and the gradient of its own
part; added up, these are the gradient of one process with that batch.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch.nn import functional as F

from skinseg.losses.coefficients import one_minus_dice, one_minus_iou
from skinseg.losses.targets import at_least_float32, check_target

# EGE-UNet's weights of the auxiliary outputs, coarsest first (arXiv 2307.08473, Section 2).
AUX_WEIGHTS = (0.1, 0.2, 0.3, 0.4, 0.5)

LOSSES = ("bce_dice", "ce_iou")

Across = Callable[[torch.Tensor], torch.Tensor]


def segmentation_loss(
    logits: torch.Tensor,
    target: torch.Tensor,
    *,
    kind: str = "bce_dice",
    per_image: bool = True,
    across: Across | None = None,
) -> torch.Tensor:
    """The loss of one output.

    Args:
        logits: (B, 1, H, W).
        target: (B, 1, H, W), bool, or floating point in 0..1.
        kind: ``"bce_dice"``, binary cross entropy plus Dice, of MALUNet and EGE-UNet; or
            ``"ce_iou"``, 0.25 cross entropy plus 0.75 IoU loss, of LMSAUNet.
        per_image: As in :func:`~skinseg.losses.dice_loss`.
        across: Adds a tensor up over all processes, keeping the gradient of the own part.

    Returns:
        A scalar, the same in every process.

    Raises:
        ValueError: If ``kind`` is unknown, or logits and target do not go together.

    Example:
        >>> float(segmentation_loss(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2))) > 0.69
        True
    """
    return deep_supervision_loss(
        logits, (), target, (), kind=kind, per_image=per_image, across=across
    )


def deep_supervision_loss(
    logits: torch.Tensor,
    aux: Sequence[torch.Tensor],
    target: torch.Tensor,
    aux_weights: Sequence[float] = AUX_WEIGHTS,
    *,
    kind: str = "bce_dice",
    per_image: bool = True,
    across: Across | None = None,
) -> torch.Tensor:
    """The loss of the output, plus weighted that of each auxiliary output.

    Args:
        logits: (B, 1, H, W).
        aux: Auxiliary logits, coarsest first; may be empty.
        target: (B, 1, H, W), bool, or floating point in 0..1.
        aux_weights: One weight per auxiliary output, in their order.
        kind: As in :func:`segmentation_loss`.
        per_image: As in :func:`~skinseg.losses.dice_loss`.
        across: As in :func:`segmentation_loss`.

    Returns:
        A scalar.

    Raises:
        ValueError: If there are auxiliary outputs, but not as many as weights, ``kind`` is
            unknown, or logits and target do not go together.

    Example:
        >>> out = torch.zeros(1, 1, 2, 2)
        >>> float(deep_supervision_loss(out, [], out)) == float(segmentation_loss(out, out))
        True
    """
    if aux and len(aux) != len(aux_weights):
        raise ValueError(f"{len(aux)} auxiliary outputs, but {len(aux_weights)} weights for them")
    if kind not in LOSSES:
        raise ValueError(f"kind must be one of {', '.join(LOSSES)}, not {kind!r}")
    if across is None or len(target):  # Other processes may have all images of a small batch.
        check_target(logits, target)
    target = at_least_float32(target)
    outputs = [at_least_float32(output) for output in (logits, *aux)]
    sums = torch.stack([_sums(output, target, kind, per_image) for output in outputs])
    if across is not None:
        sums = across(sums)
    losses = _combined(sums, kind, per_image, math.prod(target.shape[1:]))
    aux_losses = zip(aux_weights, losses[1:], strict=False)
    total: torch.Tensor = losses[0] + sum(weight * loss for weight, loss in aux_losses)
    return total


def _areas(
    logits: torch.Tensor, target: torch.Tensor, per_image: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Soft overlap and sum of both areas, of each image or of the batch."""
    probability = logits.sigmoid().flatten(1 if per_image else 0)
    target = target.flatten(1 if per_image else 0)
    return (probability * target).sum(-1), probability.sum(-1) + target.sum(-1)


_REGION = {"bce_dice": one_minus_dice, "ce_iou": one_minus_iou}


def _sums(logits: torch.Tensor, target: torch.Tensor, kind: str, per_image: bool) -> torch.Tensor:
    """(5,): cross entropy, images' region losses, overlap, area, pixels; each a sum over images.

    Either the region losses or overlap and area are of use, as ``per_image`` says.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="sum")
    overlap, area = _areas(logits, target, per_image)
    region = _REGION[kind](overlap, area).sum()
    pixels = torch.full_like(region, target.numel())
    return torch.stack([entropy, region, overlap.sum(), area.sum(), pixels])


def _combined(sums: torch.Tensor, kind: str, per_image: bool, image_size: int) -> torch.Tensor:
    """The loss of each output (rows of ``sums``)."""
    entropy, region, overlap, area, pixels = sums.unbind(1)
    region = region * image_size / pixels if per_image else _REGION[kind](overlap, area)
    entropy = entropy / pixels
    return entropy + region if kind == "bce_dice" else 0.25 * entropy + 0.75 * region
