import torch
from torch import nn

from skinseg.arguments import require_odd, require_whole
from skinseg.blocks.batch_norm import batch_norm
from skinseg.blocks.channels import output_channels


class ConvGELUNorm(nn.Sequential):
    """Convolution, exact GELU and BatchNorm, in the order of CMUNeXt.

    Args:
        in_chans: Channels C_in.
        out_chans: Channels C_out.
        kernel_size: Odd size of the convolution.
        groups: Groups of the convolution.

    Shape:
        (B, C_in, H, W) -> (B, C_out, H, W), floating point, any H and W.
    """

    def __init__(self, in_chans: int, out_chans: int, kernel_size: int, *, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_chans, out_chans, kernel_size, padding=kernel_size // 2, groups=groups
        )
        self.act = nn.GELU()
        self.norm = nn.BatchNorm2d(out_chans)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``x`` (B, C_in, H, W) to (B, C_out, H, W)."""
        return batch_norm(self.norm, self.act(self.conv(x)))


class LargeKernelMixer(nn.Module):
    """Residual depthwise convolution of a large kernel, then an inverted bottleneck.

    Shape:
        (B, C, H, W) -> (B, C, H, W), floating point, any H and W.
    """

    def __init__(self, channels: int, kernel_size: int, expansion: int) -> None:
        super().__init__()
        self.depthwise = ConvGELUNorm(channels, channels, kernel_size, groups=channels)
        self.expand = ConvGELUNorm(channels, expansion * channels, 1)
        self.reduce = ConvGELUNorm(expansion * channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Mix ``x`` (B, C, H, W)."""
        x = x + self.depthwise(x)  # Section 2: distant positions
        out: torch.Tensor = self.reduce(self.expand(x))  # Section 2: channels
        return out


class CMUNeXtBlock(nn.Module):
    """CMUNeXt block: distant positions mixed by a large depthwise kernel, then the channels.

    A residual depthwise convolution of a large kernel, and two 1x1 convolutions with four times
    the channels between them; GELU and BatchNorm, in this order, follow each of the three.

    Source: CMUNeXt (ISBI 2024, arXiv 2308.01239), Section 2.

    Args:
        in_chans: Channels C_in.
        out_chans: Channels C_out; ``in_chans`` by default. Where it differs, a 1x1 convolution
            follows the block.
        kernel_size: Odd size of the depthwise convolution.
        depth: How many times these layers come, each time with weights of their own.
        expansion: Hidden channels of the bottleneck per channel.

    Raises:
        ValueError: If ``kernel_size`` is even, or ``kernel_size``, ``depth`` or ``expansion`` below
            1.

    Shape:
        (B, C_in, H, W) -> (B, C_out, H, W), floating point, any H and W.

    Example:
        >>> CMUNeXtBlock(16, 24)(torch.randn(2, 16, 8, 9)).shape
        torch.Size([2, 24, 8, 9])
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int | None = None,
        *,
        kernel_size: int = 7,
        depth: int = 1,
        expansion: int = 4,
    ) -> None:
        super().__init__()
        require_odd("kernel_size", kernel_size)
        require_whole("depth", depth)
        require_whole("expansion", expansion)
        out_chans = output_channels(in_chans, out_chans)
        self.layers = nn.Sequential(
            *(LargeKernelMixer(in_chans, kernel_size, expansion) for _ in range(depth))
        )
        self.project = nn.Identity() if in_chans == out_chans else nn.Conv2d(in_chans, out_chans, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``x`` (B, C_in, H, W) to (B, C_out, H, W)."""
        y: torch.Tensor = self.project(self.layers(x))
        return y
