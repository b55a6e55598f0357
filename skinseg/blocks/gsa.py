import torch
from torch import nn

from skinseg.arguments import require_whole
from skinseg.blocks.channels import output_channels, split_widths
from skinseg.blocks.ghpa import PlaneWeights, depthwise_separable
from skinseg.blocks.layer_norm import LayerNorm2d

# In this order the groups are joined, so that the groups of the next layer hold other channels.
SHUFFLED = (1, 3, 0, 2)


class GroupShuffleAttention(nn.Module):
    """Group Shuffle Attention (GSA): four groups times learned weights, joined in another order.

    Each group of channels is multiplied by weights over height and width, which are learned and
    do not depend on the image; the groups change places, and a depthwise-separable convolution
    ends the block.

    EGE-UNet's GHPA is its forerunner, where each group has weights over another pair of axes.

    Source: LB-UNet (MICCAI 2024), Section 2.1; the order of the groups and the layers around them
    are those that give the outputs of the published network.

    Args:
        in_chans: Channels C_in, at least 4.
        out_chans: Channels C_out; ``in_chans`` by default.
        tensor_size: Side of the learned tensors, which are interpolated to the map's size.

    Raises:
        ValueError: If there are fewer than 4 channels, or ``tensor_size`` is below 1.

    Shape:
        (B, C_in, H, W) -> (B, C_out, H, W), floating point, any H and W.

    Example:
        >>> GroupShuffleAttention(24, 32)(torch.randn(1, 24, 16, 20)).shape
        torch.Size([1, 32, 16, 20])
    """

    def __init__(
        self, in_chans: int, out_chans: int | None = None, *, tensor_size: int = 8
    ) -> None:
        super().__init__()
        out_chans = output_channels(in_chans, out_chans)
        require_whole("tensor_size", tensor_size)
        self.widths = split_widths(in_chans, 4)
        self.norm_in = LayerNorm2d(in_chans)
        self.planes = nn.ModuleList(PlaneWeights(width, tensor_size) for width in self.widths)
        self.norm_out = LayerNorm2d(in_chans)
        self.project = depthwise_separable(nn.Conv2d, in_chans, out_chans)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``x`` (B, C_in, H, W) to (B, C_out, H, W)."""
        height, width = x.shape[-2:]
        groups = torch.split(self.norm_in(x), self.widths, dim=1)
        weighed = [
            group * plane((height, width))  # Section 2.1: Hadamard product
            for group, plane in zip(groups, self.planes, strict=True)
        ]
        shuffled = torch.cat([weighed[index] for index in SHUFFLED], dim=1)  # Section 2.1
        projected: torch.Tensor = self.project(self.norm_out(shuffled))
        return projected
