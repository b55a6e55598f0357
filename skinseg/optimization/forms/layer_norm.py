import torch
from torch import nn
from torch.nn import functional as F

from skinseg.blocks.layer_norm import LayerNorm2d
from skinseg.optimization.graph import block_diagonal


class GroupedLayerNorm(nn.Module):
    """Layer normalization of groups of channels at each position, by 1x1 convolutions.

    One convolution gathers the groups' channels and subtracts each group's mean, another averages
    the squares, and a third hands every channel its group's scale. Sums over channels are then
    matrix products, in place of passes over the map.

    Args:
        gather: Matrix (C, C_in): channels of the groups, one group after another, from those of
            the input.
        widths: Channels of each group; their sum is C.
        weight: Scale (C,).
        bias: Offset (C,).
        eps: Added to the variance.

    Shape:
        (B, C_in, H, W) -> (B, C, H, W), floating point.

    Example:
        >>> norm = GroupedLayerNorm(torch.eye(6), [4, 2], torch.ones(6), torch.zeros(6), 1e-6)
        >>> bool(norm(torch.randn(2, 6, 5, 5))[:, :4].mean(1).abs().max() < 1e-5)
        True
    """

    center: torch.Tensor
    average: torch.Tensor
    eps: torch.Tensor
    spread: torch.Tensor | None
    weight: torch.Tensor
    bias: torch.Tensor

    def __init__(
        self,
        gather: torch.Tensor,
        widths: list[int],
        weight: torch.Tensor,
        bias: torch.Tensor,
        eps: float,
    ) -> None:
        super().__init__()
        # (C, groups): which channels a group has.
        members = block_diagonal(torch.ones(width, 1) for width in widths).to(gather)
        average = (members / members.sum(0)).T
        self.register_buffer("center", _pointwise(gather - members @ average @ gather))
        self.register_buffer("average", _pointwise(average))
        self.register_buffer("eps", torch.full((len(widths),), eps).to(gather))
        self.register_buffer("spread", _pointwise(members) if len(widths) > 1 else None)
        self.register_buffer("weight", weight[:, None, None])
        self.register_buffer("bias", bias[:, None, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Gather and normalize the groups of ``x`` (B, C_in, H, W)."""
        centered = F.conv2d(x, self.center)
        scale = torch.rsqrt(F.conv2d(centered * centered, self.average, self.eps))
        if self.spread is not None:
            scale = F.conv2d(scale, self.spread)
        return centered * scale * self.weight + self.bias


def _pointwise(matrix: torch.Tensor) -> torch.Tensor:
    return matrix[:, :, None, None]


class ConvolutionalLayerNorm(GroupedLayerNorm):
    """:class:`skinseg.blocks.layer_norm.LayerNorm2d` as a grouped one of a single group."""

    def __init__(self, norm: LayerNorm2d) -> None:
        weight = norm.weight.detach()
        identity = torch.eye(len(weight)).to(weight)
        super().__init__(identity, [len(weight)], weight, norm.bias.detach(), norm.eps)
