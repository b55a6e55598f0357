"""ResNet, the encoder of DeepLabV3, BiSeNet and TransFuse."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import nn

from skinseg.checkpoint import StateDict
from skinseg.models.features import FeatureInfo


def conv3x3(in_chans: int, out_chans: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """Return a 3x3 convolution without bias that keeps H and W, or divides them by its stride."""
    return nn.Conv2d(
        in_chans, out_chans, 3, stride=stride, padding=dilation, dilation=dilation, bias=False
    )


class ResidualBlock(nn.Module):
    """What all residual blocks have in common: the sum of a residual and a shortcut, and ReLU.

    A subclass implements :meth:`residual`.

    Args:
        in_chans: Channels C_in.
        width: Channels of the 3x3 convolutions.
        stride: By how much H and W are divided.
        dilation: Dilation of the 3x3 convolution; 1 but for bottlenecks.

    Raises:
        ValueError: If the block cannot be dilated.

    Attributes:
        expansion: How many times as wide as the 3x3 convolutions the result is.
        dilatable: Whether it has a single 3x3 convolution, which can be dilated.

    Shape:
        (B, C_in, H, W) -> (B, expansion * width, ceil(H / stride), ceil(W / stride)).
    """

    expansion: ClassVar[int]
    dilatable: ClassVar[bool] = False

    def __init__(self, in_chans: int, width: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        if dilation > 1 and not self.dilatable:
            raise ValueError(f"{type(self).__name__} cannot be dilated; use Bottleneck")
        self.out_chans = width * self.expansion
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or in_chans != self.out_chans:
            self.downsample = self.make_shortcut(in_chans, stride)
        self.relu = nn.ReLU(inplace=True)

    def make_shortcut(self, in_chans: int, stride: int) -> nn.Module:
        """Return what brings the input to the shape of the result."""
        return nn.Sequential(
            nn.Conv2d(in_chans, self.out_chans, 1, stride=stride, bias=False),
            nn.BatchNorm2d(self.out_chans),
        )

    def residual(self, x: torch.Tensor) -> torch.Tensor:
        """Return what is added to the shortcut of ``x``."""
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Convolve ``x`` (B, C_in, H, W)."""
        out: torch.Tensor = self.relu(self.residual(x) + self.downsample(x))
        return out


class BasicBlock(ResidualBlock):
    """Residual block of two 3x3 convolutions, each with BatchNorm; arguments as its base's."""

    expansion = 1

    def __init__(self, in_chans: int, width: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__(in_chans, width, stride, dilation)
        self.conv1 = conv3x3(in_chans, width, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width)
        self.bn2 = nn.BatchNorm2d(width)

    def residual(self, x: torch.Tensor) -> torch.Tensor:
        """Return what is added to the shortcut of ``x``."""
        x = self.relu(self.bn1(self.conv1(x)))
        out: torch.Tensor = self.bn2(self.conv2(x))
        return out


class Bottleneck(ResidualBlock):
    """Residual block of 1x1, 3x3 and 1x1 convolutions, each with BatchNorm.

    The stride is the 3x3 convolution's, as in torchvision; the paper has it in the first one.
    Arguments as its base's.
    """

    expansion = 4
    dilatable = True

    def __init__(self, in_chans: int, width: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__(in_chans, width, stride, dilation)
        self.conv1 = nn.Conv2d(in_chans, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv3x3(width, width, stride, dilation)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, self.out_chans, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(self.out_chans)

    def residual(self, x: torch.Tensor) -> torch.Tensor:
        """Return what is added to the shortcut of ``x``."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        out: torch.Tensor = self.bn3(self.conv3(x))
        return out


class ResNet(nn.Module):
    """Residual network without its classifier; returns the stem's map and each stage's.

    Its weights have the names that torchvision and timm give them.

    Source: He et al., CVPR 2016 (arXiv 1512.03385). With an output stride below that of all its
    stages, the strides of the last ones become dilations, as in DeepLab (arXiv 1606.00915).

    Args:
        block: :class:`BasicBlock` or :class:`Bottleneck`.
        layers: Blocks of each stage, of which each but the first halves H and W; (3, 4, 6, 3) with
            bottlenecks is ResNet-50.
        in_chans: Channels of the input.
        width: Width of the first stage's blocks; each further stage doubles it.
        output_stride: By how much the last map may be smaller than the input; below that of all
            stages with bottlenecks only.

    Raises:
        ValueError: If the blocks cannot be dilated as the output stride asks for.

    Attributes:
        feature_info: Description of the maps.

    Shape:
        (B, in_chans, H, W) -> maps at H/2, H/4, H/8, ..., rounded up, one more than stages.

    Example:
        >>> resnet18 = ResNet(BasicBlock, (2, 2, 2, 2))
        >>> [tuple(x.shape[1:]) for x in resnet18(torch.randn(1, 3, 64, 64))]
        [(64, 32, 32), (64, 16, 16), (128, 8, 8), (256, 4, 4), (512, 2, 2)]
    """

    def __init__(
        self,
        block: type[ResidualBlock],
        layers: Sequence[int],
        *,
        in_chans: int = 3,
        width: int = 64,
        output_stride: int = 32,
    ) -> None:
        super().__init__()
        self.conv1 = self.make_stem(in_chans, width)
        self.bn1 = nn.BatchNorm2d(width)
        self.act1 = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels, reductions, dilation = [width], [2], 1
        for number, depth in enumerate(layers):
            stride = 2 if number else 1
            reduction = reductions[-1] * stride if number else 4
            # A stage's first block has the dilation of the stage before, whose map it sees.
            dilations = [dilation]
            if reduction > output_stride:
                reduction, stride, dilation = reductions[-1], 1, dilation * stride
            dilations += [dilation] * (depth - 1)
            self.add_module(
                f"layer{number + 1}",
                _stage(block, channels[-1], width << number, stride, dilations),
            )
            channels.append((width << number) * block.expansion)
            reductions.append(reduction)
        self.stages = [f"layer{number + 1}" for number in range(len(layers))]
        self.feature_info = FeatureInfo(channels, reductions, ["act1", *self.stages])
        self.apply(_init_conv)

    def make_stem(self, in_chans: int, width: int) -> nn.Module:
        """Return the first convolution, which halves H and W."""
        return nn.Conv2d(in_chans, width, 7, stride=2, padding=3, bias=False)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the maps of ``x`` (B, in_chans, H, W), finest first."""
        maps = [self.act1(self.bn1(self.conv1(x)))]
        x = self.maxpool(maps[0])
        for name in self.stages:
            x = getattr(self, name)(x)
            maps.append(x)
        return maps

    def convert_published_weights(self, state: StateDict) -> StateDict:
        """Leave out what torchvision's or timm's network has and this one has not.

        That is the classifier, and the stages after the last one of this network.
        """
        names = [f"layer{number}." for number in range(len(self.stages) + 1, 5)]
        return {key: value for key, value in state.items() if not key.startswith(("fc.", *names))}


def count_blocks(state: StateDict, prefix: str) -> list[int]:
    """Read the number of blocks of each stage from the names of weights.

    Args:
        state: Weights of a network.
        prefix: What the names of its residual network begin with.

    Returns:
        One number per stage.

    Example:
        >>> count_blocks(ResNet(BasicBlock, (2, 1)).state_dict(), "")
        [2, 1]
    """
    pattern = re.compile(re.escape(prefix) + r"layer(\d)\.(\d+)\.conv1\.weight")
    found = [match for match in map(pattern.fullmatch, state) if match is not None]
    stages = Counter(int(match[1]) for match in found)
    return [stages[number] for number in sorted(stages)]


def _stage(
    block: type[ResidualBlock], in_chans: int, width: int, stride: int, dilations: Sequence[int]
) -> nn.Sequential:
    first = block(in_chans, width, stride, dilations[0])
    rest = (block(first.out_chans, width, 1, dilation) for dilation in dilations[1:])
    return nn.Sequential(first, *rest)


def _init_conv(module: nn.Module) -> None:
    """Initialize as torchvision does."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
