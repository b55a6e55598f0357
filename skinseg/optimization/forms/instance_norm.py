import torch
from torch import nn

from skinseg.blocks.instance_norm import InstanceNorm2d


class CenteredInstanceNorm(nn.Module):
    """Instance normalization that subtracts each channel's mean before it squares.

    Channels-last, PyTorch takes the variance as the mean square minus the squared mean, which
    loses the digits that a large mean and a small variance have in common. Of a map whose mean is
    zero it loses none.

    Args:
        norm: The published block, whose weights are used.

    Shape:
        (B, C, H, W) -> (B, C, H, W), floating point.

    Example:
        >>> x = torch.randn(2, 8, 5, 5) + 100
        >>> norm = CenteredInstanceNorm(InstanceNorm2d(8))
        >>> y = norm(x.contiguous(memory_format=torch.channels_last))
        >>> bool((y - InstanceNorm2d(8).double()(x.double())).abs().max() < 1e-4)
        True
    """

    def __init__(self, norm: InstanceNorm2d) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalize ``x`` (B, C, H, W) over H and W."""
        y: torch.Tensor = self.norm(x - x.mean((2, 3), keepdim=True))
        return y
