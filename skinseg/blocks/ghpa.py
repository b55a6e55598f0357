import torch
from einops import rearrange
from torch import nn
from torch.nn import functional as F

from skinseg.arguments import require_whole
from skinseg.blocks.channels import output_channels, split_widths
from skinseg.blocks.layer_norm import LayerNorm2d


class PlaneWeights(nn.Module):
    """Learned weights over the height-width plane.

    Args:
        channels: Channels C.
        size: Side of the learned tensor.
        refine: Whether the resized tensor passes a depthwise-separable convolution.

    Shape:
        A size (H, W) -> (1, C, H, W).
    """

    def __init__(self, channels: int, size: int, *, refine: bool = True) -> None:
        super().__init__()
        self.tensor = nn.Parameter(torch.ones(1, channels, size, size))
        self.refine = depthwise_separable(nn.Conv2d, channels) if refine else nn.Identity()

    def forward(self, size: tuple[int, int]) -> torch.Tensor:
        """Return the weights (1, C, H, W) at ``size`` (H, W)."""
        resized = F.interpolate(self.tensor, size=size, mode="bilinear", align_corners=True)
        weights: torch.Tensor = self.refine(resized)
        return weights


class AxisWeights(nn.Module):
    """Learned weights along one axis.

    Args:
        channels: Channels C.
        size: Length of the learned tensor.
        refine: Whether the resized tensor passes a depthwise-separable convolution.

    Shape:
        A length L -> (1, C, L).
    """

    def __init__(self, channels: int, size: int, *, refine: bool = True) -> None:
        super().__init__()
        self.tensor = nn.Parameter(torch.ones(1, channels, size))
        self.refine = depthwise_separable(nn.Conv1d, channels) if refine else nn.Identity()

    def forward(self, length: int) -> torch.Tensor:
        """Return the weights (1, C, length) at ``length`` positions."""
        resized = F.interpolate(self.tensor, size=length, mode="linear", align_corners=True)
        weights: torch.Tensor = self.refine(resized)
        return weights


def depthwise_separable(
    conv: type[nn.Conv1d] | type[nn.Conv2d], in_chans: int, out_chans: int | None = None
) -> nn.Sequential:
    """Return a depthwise convolution of kernel 3, GELU, and a pointwise convolution.

    Args:
        conv: Class of both convolutions.
        in_chans: Channels of the input.
        out_chans: Channels of the output; ``in_chans`` by default.
    """
    return nn.Sequential(
        conv(in_chans, in_chans, 3, padding=1, groups=in_chans),
        nn.GELU(),
        conv(in_chans, out_chans or in_chans, 1),
    )


class GroupedHadamardProductAttention(nn.Module):
    """Grouped multi-axis Hadamard Product Attention (GHPA).

    Comparing positions with one another takes time that is quadratic in their number. Here the map
    is multiplied by learned tensors instead: one group of channels by weights over height and
    width, one by weights over channel and height, one by weights over channel and width. The fourth
    group passes a depthwise-separable convolution. The weights do not depend on the image.

    Source: EGE-UNet (MICCAI 2023, arXiv 2307.08473), Section 2. As in the authors' code, the
    learned tensors start as ones (the paper: random numbers), and the fourth group's 1x1
    convolution comes before its depthwise one.

    Args:
        in_chans: Channels C_in, at least 4.
        out_chans: Channels C_out; ``in_chans`` by default.
        tensor_size: Side of the learned tensors, which are interpolated to the map's size.
        multi_axis: Whether there are four groups. Without, all channels are multiplied by weights
            over height and width (the paper's Table 2, "w/o multi-axis grouping").
        refine: Whether the interpolated tensors pass a depthwise-separable convolution (without:
            Table 2, "w/o DW for initialized tensor").

    Raises:
        ValueError: If there are fewer than 4 channels and ``multi_axis`` is true, or
            ``tensor_size`` is below 1.

    Shape:
        (B, C_in, H, W) -> (B, C_out, H, W), floating point, any H and W.

    Example:
        >>> GroupedHadamardProductAttention(24, 32)(torch.randn(1, 24, 16, 20)).shape
        torch.Size([1, 32, 16, 20])
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int | None = None,
        *,
        tensor_size: int = 8,
        multi_axis: bool = True,
        refine: bool = True,
    ) -> None:
        super().__init__()
        out_chans = output_channels(in_chans, out_chans)
        require_whole("tensor_size", tensor_size)
        self.widths = split_widths(in_chans, 4) if multi_axis else [in_chans]
        self.norm_in = LayerNorm2d(in_chans)
        self.plane = PlaneWeights(self.widths[0], tensor_size, refine=refine)
        if multi_axis:
            _, height, width, local = self.widths
            self.height = AxisWeights(height, tensor_size, refine=refine)
            self.width = AxisWeights(width, tensor_size, refine=refine)
            self.local = nn.Sequential(
                nn.Conv2d(local, local, 1),
                nn.GELU(),
                nn.Conv2d(local, local, 3, padding=1, groups=local),
            )
        self.norm_out = LayerNorm2d(in_chans)
        self.project = depthwise_separable(nn.Conv2d, in_chans, out_chans)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``x`` (B, C_in, H, W) to (B, C_out, H, W)."""
        height, width = x.shape[-2:]
        by_plane, *others = torch.split(self.norm_in(x), self.widths, dim=1)  # Section 2: groups
        x = by_plane * self.plane((height, width))  # Section 2: height and width
        if others:
            by_height, by_width, local = others
            by_height = by_height * rearrange(self.height(height), "1 c h -> 1 c h 1")  # Section 2
            by_width = by_width * rearrange(self.width(width), "1 c w -> 1 c 1 w")  # Section 2
            x = torch.cat([x, by_height, by_width, self.local(local)], dim=1)  # Section 2
        projected: torch.Tensor = self.project(self.norm_out(x))  # Section 2
        return projected
