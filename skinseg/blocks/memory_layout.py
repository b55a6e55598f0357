"""Operations on maps that keep the maps' memory layout, where torch's own fall back to NCHW.

A map in NCHW beside one that is channels-last makes whatever joins them several times as slow.
"""

import math

import torch


def add_gates(by_channel: torch.Tensor, by_position: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Add a gate per channel and one per position, in the layout of the map that they weigh.

    Args:
        by_channel: (B, C, 1, 1).
        by_position: (B, 1, H, W).
        x: Map (B, C, H, W).

    Returns:
        The sum (B, C, H, W).

    Example:
        >>> x = torch.randn(2, 8, 4, 5).to(memory_format=torch.channels_last)
        >>> add_gates(x.mean((2, 3), keepdim=True), x.mean(1, keepdim=True), x).stride()
        (160, 1, 40, 8)
    """
    if x.is_contiguous():
        return by_channel + by_position
    # Of two tensors that fill different axes torch cannot tell which layout is meant.
    return (by_channel.movedim(1, -1) + by_position.movedim(1, -1)).movedim(-1, 1)


def mean(
    x: torch.Tensor, dims: tuple[int, ...], *, keepdim: bool = False, training: bool
) -> torch.Tensor:
    """Return the mean over dimensions.

    Args:
        x: Map (B, C, H, W).
        dims: What is averaged over.
        keepdim: Whether these dimensions stay, with the size 1.
        training: Whether a gradient will be asked for. That of a mean is written out in NCHW;
            that of a sum is one value per mean, and takes no memory.

    Example:
        >>> mean(torch.ones(2, 8, 4, 5), (2, 3), training=True).shape
        torch.Size([2, 8])
    """
    # Sums of half-precision maps could be beyond the largest number.
    if training and x.dtype == torch.float32:
        return x.sum(dims, keepdim) / math.prod(x.shape[dim] for dim in dims)
    return x.mean(dims, keepdim)
