"""Logits and targets of either form, as probabilities and as many masks."""

import torch
from torch.nn import functional as F

# Resizing may overstep 0 and 1 by as little.
_ROUNDING = 1e-3


def probabilities_and_masks(
    logits: torch.Tensor, target: torch.Tensor, *, include_background: bool = True
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what a network says of each class, and what is true.

    Args:
        logits: (B, C, H, W).
        target: (B, C, H, W), bool, or floating point in 0..1; or (B, H, W), indices of classes,
            int64.
        include_background: Whether class 0 of several is among them.

    Returns:
        Probabilities and masks, (B, C, H, W) each, 0..1, float32 or float64; one class less
        without the background.

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
    if target.ndim == 4:
        probabilities, masks = logits.sigmoid(), at_least_float32(target)
    else:
        masks = F.one_hot(target, logits.shape[1]).movedim(-1, 1).to(logits.dtype)
        probabilities = logits.softmax(1)
    if include_background or logits.shape[1] == 1:
        return probabilities, masks
    return probabilities[:, 1:], masks[:, 1:]


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
        ValueError: If shapes or types do not go together, there is no image, a mask holds other
            numbers than 0 to 1, or an index is of no class.
    """
    shape = tuple(logits.shape)
    if logits.ndim != 4:
        raise ValueError(f"logits must be (B, C, H, W), and their shape is {shape}")
    if not shape[0]:
        raise ValueError("the batch has no image, and so no loss")
    of_classes = (shape[0], *shape[2:])
    if target.is_floating_point() or target.dtype == torch.bool:
        if target.shape != logits.shape:
            raise ValueError(
                f"a target of type {target.dtype} must have the shape of the logits, {shape}, not "
                f"{tuple(target.shape)}; a target of classes is {of_classes}, int64"
            )
        _check_range(target)
        return
    if target.dtype != torch.int64 or tuple(target.shape) != of_classes or shape[1] < 2:
        raise ValueError(
            f"for logits {shape} the target must be {shape}, bool or floating point, or, with two "
            f"classes or more, {of_classes}, int64; it is {tuple(target.shape)}, {target.dtype}"
        )
    low, high = (int(value) for value in target.aminmax())
    if low < 0 or high >= shape[1]:
        raise ValueError(
            f"the target holds class {low if low < 0 else high}, and the logits are of classes 0 "
            f"to {shape[1] - 1}"
        )


def _check_range(masks: torch.Tensor) -> None:
    """Raise a ValueError if masks hold other numbers than 0 to 1, a little rounding aside."""
    if masks.dtype == torch.bool or _is_traced(masks):
        return
    low, high = (float(value) for value in masks.aminmax())
    if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):  # Also where they are no numbers.
        raise ValueError(
            f"the target holds numbers from {low:g} to {high:g}, and a mask those from 0 to 1; "
            "divide masks of 0 and 255 by 255"
        )


def _is_traced(x: torch.Tensor) -> bool:
    """Whether a graph is being made, which cannot wait for the numbers in it."""
    capturing = x.is_cuda and torch.cuda.is_current_stream_capturing()
    return torch.compiler.is_compiling() or capturing
