import torch
from torch import nn
from torch.nn import functional as F

from skinseg.blocks.batch_norm import batch_norm


class ConvUnit(nn.Sequential):
    """Convolution without bias, BatchNorm and, unless ``act=False``, exact GELU.

    The unit of TinyU-Net's CMRF and LMSAUNet's ECDF, with their BatchNorm constants.

    Args:
        in_chans: Channels C_in.
        out_chans: Channels C_out.
        kernel_size: Odd size of the convolution.
        groups: Groups of the convolution.
        act: Whether GELU follows.

    Shape:
        (B, C_in, H, W) -> (B, C_out, H, W), floating point, any H and W.

    Example:
        >>> ConvUnit(4, 8, 3)(torch.randn(2, 4, 5, 6)).shape
        torch.Size([2, 8, 5, 6])
    """

    def __init__(
        self, in_chans: int, out_chans: int, kernel_size: int, *, groups: int = 1, act: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_chans, out_chans, kernel_size, padding=kernel_size // 2, groups=groups, bias=False
        )
        self.norm = nn.BatchNorm2d(out_chans, eps=1e-3, momentum=0.03)
        self.act = nn.GELU() if act else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``x`` (B, C_in, H, W) to (B, C_out, H, W)."""
        out: torch.Tensor = self.act(batch_norm(self.norm, self.conv(x)))
        return out

    def join(self, deep: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Return what ``forward`` gives for a deeper map, enlarged, and a skip, concatenated.

        For a unit with a 1x1 convolution, which goes before the enlargement here. Both are linear,
        one over channels and the other over positions, so that the result is the same, and it is a
        narrow map that is enlarged.

        Args:
            deep: Deeper map (B, C_deep, h, w), which is enlarged bicubically.
            skip: Map (B, C_skip, H, W), with C_deep + C_skip = C_in.

        Returns:
            A map (B, C_out, H, W).
        """
        widths = [deep.shape[1], skip.shape[1]]
        of_deep, of_skip = self.conv.weight.split_with_sizes(widths, dim=1)
        enlarged = F.interpolate(F.conv2d(deep, of_deep), size=skip.shape[-2:], mode="bicubic")
        joined: torch.Tensor = self.act(batch_norm(self.norm, enlarged + F.conv2d(skip, of_skip)))
        return joined
