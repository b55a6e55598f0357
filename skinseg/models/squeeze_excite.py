"""Squeeze-and-excitation: channels weighted by what the whole map holds."""

import torch
from torch import nn


class SqueezeExcite(nn.Module):
    """Mean over positions, two 1x1 convolutions with ReLU between, a gate for each channel.

    Source: Hu et al., CVPR 2018 (arXiv 1709.01507), Section 3.

    Args:
        channels: Channels C.
        reduced: Channels between the two convolutions.
        gate: Module that maps the second convolution's output to weights.

    Shape:
        (B, C, H, W) -> (B, C, H, W), floating point.

    Example:
        >>> SqueezeExcite(8, 2, nn.Sigmoid())(torch.randn(2, 8, 5, 6)).shape
        torch.Size([2, 8, 5, 6])
    """

    def __init__(self, channels: int, reduced: int, gate: nn.Module) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, reduced, 1)
        self.act = nn.ReLU(inplace=True)
        self.expand = nn.Conv2d(reduced, channels, 1)
        self.gate = gate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Weight the channels of ``x`` (B, C, H, W)."""
        squeezed = x.mean((2, 3), keepdim=True)
        weights: torch.Tensor = self.gate(self.expand(self.act(self.reduce(squeezed))))
        return x * weights
