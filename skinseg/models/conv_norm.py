"""The unit that SegNet and TransUNet are built of."""

from torch import nn


class ConvNorm(nn.Sequential):
    """Convolution, BatchNorm and, unless ``act=False``, ReLU; odd kernels keep H and W.

    Shape:
        (B, C_in, H, W) -> (B, C_out, ceil(H / stride), ceil(W / stride)).

    Example:
        >>> import torch
        >>> ConvNorm(3, 8, 7, stride=2)(torch.randn(2, 3, 33, 64)).shape
        torch.Size([2, 8, 17, 32])
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int,
        kernel_size: int,
        *,
        stride: int = 1,
        bias: bool = False,
        act: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_chans, out_chans, kernel_size, stride=stride, padding=kernel_size // 2, bias=bias
        )
        self.norm = nn.BatchNorm2d(out_chans)
        self.act = nn.ReLU(inplace=True) if act else nn.Identity()
