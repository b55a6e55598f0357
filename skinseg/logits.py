"""What a network's logits say of the lesion."""

import torch


def lesion_logits(logits: torch.Tensor) -> torch.Tensor:
    """Return the logits of lesion against skin of a network with one output or two.

    Args:
        logits: (B, 1, H, W), or (B, 2, H, W) with skin first and lesion second.

    Returns:
        Logits (B, 1, H, W). Of two outputs it is their difference, whose sigmoid is the softmax
        probability of the lesion.

    Example:
        >>> lesion_logits(torch.tensor([1.0, 3.0]).view(1, 2, 1, 1)).item()
        2.0
    """
    return logits if logits.shape[1] == 1 else logits[:, 1:] - logits[:, :1]
