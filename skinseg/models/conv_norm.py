"""The unit that most convolutional networks are built of."""

from torch import nn


class ConvNorm(nn.Sequential):
    """Convolution, BatchNorm and an activation; odd kernels keep H and W.

    Args:
        in_chans: Channels C_in.
        out_chans: Channels C_out.
        kernel_size: Side of the kernel, odd.
        stride: Step between the positions.
        dilation: Distance between the positions that the kernel sees.
        groups: Groups of channels that are convolved apart.
        bias: Whether the convolution adds a bias.
        act: Module that is applied last; True is ReLU, and False nothing.

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
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
        act: bool | nn.Module = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_chans,
            out_chans,
            kernel_size,
            stride=stride,
            padding=dilation * (kernel_size // 2),
            dilation=dilation,
            groups=groups,
            bias=bias,
        )
        self.norm = nn.BatchNorm2d(out_chans)
        if isinstance(act, bool):
            act = nn.ReLU(inplace=True) if act else nn.Identity()
        self.act = act
