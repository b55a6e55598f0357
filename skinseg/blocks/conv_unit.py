from torch import nn


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
        >>> import torch
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
