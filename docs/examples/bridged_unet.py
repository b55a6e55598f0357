"""A backbone of timm under this package's bridge and decoder.

    python docs/examples/bridged_unet.py

Any encoder will do that has timm's ``feature_info`` and gives its maps from fine to coarse, those
of ``skinseg.create_model(..., features_only=True)`` among them.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import timm
import torch
from torch import nn
from torch.nn import functional as F

import skinseg

Stage = Callable[[int, int], nn.Module]


def conv3x3(in_chans: int, out_chans: int) -> nn.Module:
    return nn.Conv2d(in_chans, out_chans, 3, padding=1)


class BridgedUNet(nn.Module):
    """Encoder, bridge over the skips, and a step of the decoder for each skip."""

    def __init__(self, encoder: nn.Module, stage: Stage, bridge: str | None) -> None:
        super().__init__()
        self.encoder = encoder
        widths = encoder.feature_info.channels()
        self.bridge = skinseg.create_block(bridge, widths[:-1]) if bridge else nn.Identity()
        self.stages = nn.ModuleList(stage(deep, fine) for fine, deep in pairwise(widths))
        self.norms = nn.ModuleList(nn.GroupNorm(4, width) for width in widths[:-1])
        self.head = nn.Conv2d(widths[0], 1, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return lesion logits (B, 1, H, W) of images (B, 3, H, W)."""
        *skips, x = self.encoder(image)
        skips = self.bridge(skips)
        steps = zip(self.stages, self.norms, skips, strict=True)
        for stage, norm, skip in reversed(list(steps)):
            x = F.interpolate(norm(stage(x)), skip.shape[-2:], mode="bilinear")
            x = F.gelu(x) + skip
        return F.interpolate(self.head(x), image.shape[-2:], mode="bilinear")


def backbone() -> nn.Module:
    """MobileNetV3; with ``pretrained=True`` timm loads its ImageNet weights."""
    return timm.create_model("mobilenetv3_small_050", features_only=True)


def plain_unet() -> nn.Module:
    """One 3x3 convolution a step, skips added as they are."""
    return BridgedUNet(backbone(), conv3x3, bridge=None)


def malunet_on_timm() -> nn.Module:
    """DGA in each step, SAB and CAB on the skips."""
    return BridgedUNet(backbone(), partial(skinseg.create_block, "dga"), bridge="scab")


if __name__ == "__main__":
    for make in (plain_unet, malunet_on_timm):
        network = make()
        logits = network(torch.zeros(1, 3, 128, 128))
        size = sum(p.numel() for p in network.parameters())
        print(f"{make.__name__}: {size:,} parameters, logits {tuple(logits.shape)}")
