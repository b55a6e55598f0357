"""Logits and targets of either form, as probabilities and as many masks."""

import torch
from torch.nn import functional as F


def probabilities_and_masks(
    logits: torch.Tensor, target: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what a network says of each class, and what is true.

    Args:
        logits: (B, C, H, W).
        target: (B, C, H, W), 0..1, floating point; or (B, H, W), indices of classes, int64.

    Returns:
        Probabilities and masks, (B, C, H, W) each, 0..1, float32 or float64.

    Raises:
        ValueError: As :func:`check_target`.

    Example:
        >>> logits, target = torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 1]]])
        >>> probabilities, masks = probabilities_and_masks(logits, target)
        >>> probabilities.flatten().tolist(), masks.flatten().tolist()
        ([0.5, 0.5, 0.5, 0.5], [1.0, 0.0, 0.0, 1.0])
    """
    check_target(logits, target)
    logits = at_least_float32(logits)
    if target.is_floating_point():
        return logits.sigmoid(), at_least_float32(target)
    masks = F.one_hot(target, logits.shape[1]).movedim(-1, 1)
    return logits.softmax(1), masks.to(logits.dtype)


def at_least_float32(values: torch.Tensor) -> torch.Tensor:
    """Return half-precision values as float32, others as they are.

    The pixels of a mask are too many for half precision: float16 ends at 65,504, a quarter of
    512 x 512, and bfloat16 counts to 256.

    Example:
        >>> at_least_float32(torch.ones(1, dtype=torch.float16)).dtype
        torch.float32
    """
    return values.to(torch.promote_types(values.dtype, torch.float32))


def check_target(logits: torch.Tensor, target: torch.Tensor) -> None:
    """Refuse a target that does not belong to the logits.

    Raises:
        ValueError: If shapes or types do not go together, or an index is of no class.
    """
    shape = tuple(logits.shape)
    if logits.ndim != 4:
        raise ValueError(f"logits must be (B, C, H, W), and their shape is {shape}")
    of_classes = (shape[0], *shape[2:])
    if target.is_floating_point():
        if target.shape != logits.shape:
            raise ValueError(
                f"a floating-point target must have the shape of the logits, {shape}, not "
                f"{tuple(target.shape)}; a target of classes is {of_classes}, int64"
            )
        return
    if target.dtype != torch.int64 or tuple(target.shape) != of_classes or shape[1] < 2:
        raise ValueError(
            f"for logits {shape} the target must be {shape}, floating point, or, with two classes "
            f"or more, {of_classes}, int64; it is {tuple(target.shape)}, {target.dtype}"
        )
    low, high = (int(value) for value in target.aminmax())
    if low < 0 or high >= shape[1]:
        raise ValueError(
            f"the target holds class {low if low < 0 else high}, and the logits are of classes 0 "
            f"to {shape[1] - 1}"
        )
