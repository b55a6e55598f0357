"""What a network's logits say of the lesion."""

from typing import TypeVar

Logits = TypeVar("Logits")


def lesion_logits(logits: Logits) -> Logits:
    """Return the logits of lesion against skin of a network with one output or two.

    Args:
        logits: Array or tensor (B, 1, H, W), or (B, 2, H, W) with skin first and lesion second.

    Returns:
        Logits (B, 1, H, W). Of two outputs it is their difference, whose sigmoid is the softmax
        probability of the lesion.

    Example:
        >>> import torch
        >>> lesion_logits(torch.tensor([1.0, 3.0]).view(1, 2, 1, 1)).item()
        2.0
    """
    one_output = logits.shape[1] == 1  # type: ignore[attr-defined]
    return logits if one_output else logits[:, 1:] - logits[:, :1]  # type: ignore[index]
