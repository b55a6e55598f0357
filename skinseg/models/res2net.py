"""Res2Net, the encoder of SANet."""

from collections.abc import Sequence

import torch
from torch import nn

from skinseg.models.resnet import ResidualBlock, ResNet, conv3x3

SCALE = 4
BASE_WIDTH = 26


class Res2NetBlock(ResidualBlock):
    """Bottleneck whose 3x3 convolution is four, in a hierarchy.

    The 1x1 convolution's map is split into four groups. Each of the first three is convolved, from
    the second one on after the result of the group before was added; the fourth is passed on. The
    first block of a stage adds nothing, and pools its fourth group.

    Source: Gao et al., TPAMI 2021 (arXiv 1904.01169), Section 3.1, with s = 4 and w = 26.
    Arguments as its base's; a group has 26 channels per 64 of ``width``.
    """

    expansion = 4

    def __init__(self, in_chans: int, width: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__(in_chans, width, stride, dilation)
        self.is_first = not isinstance(self.downsample, nn.Identity)
        group = max(width * BASE_WIDTH // 64, 1)
        self.conv1 = nn.Conv2d(in_chans, group * SCALE, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(group * SCALE)
        self.convs = nn.ModuleList(conv3x3(group, group, stride) for _ in range(SCALE - 1))
        self.bns = nn.ModuleList(nn.BatchNorm2d(group) for _ in range(SCALE - 1))
        self.pool = nn.AvgPool2d(3, stride, padding=1) if self.is_first else nn.Identity()
        self.conv3 = nn.Conv2d(group * SCALE, self.out_chans, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(self.out_chans)

    def make_shortcut(self, in_chans: int, stride: int) -> nn.Module:
        """Return mean pooling, and a 1x1 convolution with BatchNorm."""
        pool = nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False)
        return nn.Sequential(
            pool if stride > 1 else nn.Identity(),
            nn.Conv2d(in_chans, self.out_chans, 1, bias=False),
            nn.BatchNorm2d(self.out_chans),
        )

    def residual(self, x: torch.Tensor) -> torch.Tensor:
        """Return what is added to the shortcut of ``x``."""
        *groups, last = self.relu(self.bn1(self.conv1(x))).chunk(SCALE, dim=1)
        done: list[torch.Tensor] = []
        for conv, bn, group in zip(self.convs, self.bns, groups, strict=True):
            # Eq. 1: y_i = K_i(x_i + y_{i-1}).
            group = group + done[-1] if done and not self.is_first else group
            done.append(self.relu(bn(conv(group))))
        out: torch.Tensor = self.bn3(self.conv3(torch.cat([*done, self.pool(last)], dim=1)))
        return out


class Res2Net(ResNet):
    """Res2Net-50 v1b without its classifier; returns the stem's map and each stage's.

    Its weights have the names of the authors' ``res2net50_v1b_26w_4s`` and timm's ``res2net50d``:
    three 3x3 convolutions as the stem, and shortcuts that pool before they convolve.

    Source: Gao et al., TPAMI 2021 (arXiv 1904.01169).

    Args:
        layers: Blocks of each stage.
        in_chans: Channels of the input.
        width: Width of the first stage's blocks; each further stage doubles it.

    Shape:
        (B, in_chans, H, W) -> maps at H/2, H/4, H/8, ..., rounded up, one more than stages.

    Example:
        >>> [tuple(x.shape[1:]) for x in Res2Net((1, 1), width=8)(torch.randn(1, 3, 64, 64))]
        [(8, 32, 32), (32, 16, 16), (64, 8, 8)]
    """

    def __init__(
        self, layers: Sequence[int] = (3, 4, 6, 3), *, in_chans: int = 3, width: int = 64
    ) -> None:
        super().__init__(Res2NetBlock, layers, in_chans=in_chans, width=width)

    def make_stem(self, in_chans: int, width: int) -> nn.Module:
        """Return three convolutions, of which the first halves H and W."""
        half = width // 2
        return nn.Sequential(
            conv3x3(in_chans, half, stride=2),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
            conv3x3(half, half),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
            conv3x3(half, width),
        )
