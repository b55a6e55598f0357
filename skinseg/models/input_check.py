"""What a network and its encoder alone refuse, in the same words."""

import torch

from skinseg.formatting import counted

MIN_SIZE = 32


def check_images(x: torch.Tensor, in_chans: int) -> None:
    """Raise if ``x`` is no batch of images that a network takes.

    Args:
        x: What the network is given.
        in_chans: Channels that it takes.

    Raises:
        TypeError: If ``x`` is not a floating-point tensor.
        ValueError: If its rank, channels or size do not fit.

    Example:
        >>> check_images(torch.zeros(1, 3, 16, 64), 3)
        Traceback (most recent call last):
        ValueError: the input is 16x64 and must be at least 32x32; resize it
    """
    if torch.jit.is_tracing():  # type: ignore[attr-defined,no-untyped-call]  # torch's own
        return
    if not isinstance(x, torch.Tensor) or not x.is_floating_point():
        kind = x.dtype if isinstance(x, torch.Tensor) else type(x).__name__
        raise TypeError(
            f"the input must be a floating-point tensor, not {kind}; convert it with "
            "x.float(), or pass images to skinseg.Predictor"
        )
    if x.ndim != 4:
        raise ValueError(
            f"the input must have 4 dimensions (B, {in_chans}, H, W), not {x.ndim}: "
            f"its shape is {tuple(x.shape)}; add a batch dimension with x[None]"
        )
    if x.shape[1] != in_chans:
        raise ValueError(
            f"the input has {counted(x.shape[1], 'channel')} and the network takes {in_chans}; "
            f"create it with in_chans={x.shape[1]}"
        )
    if x.shape[2] < MIN_SIZE or x.shape[3] < MIN_SIZE:
        raise ValueError(
            f"the input is {x.shape[2]}x{x.shape[3]} and must be at least "
            f"{MIN_SIZE}x{MIN_SIZE}; resize it"
        )
