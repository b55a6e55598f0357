"""Attention U-Net: a U-Net whose decoder chooses what it takes from the skips."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from skinseg.checkpoint import StateDict
from skinseg.models.attention_gate import AttentionGate
from skinseg.models.citation import Citation
from skinseg.models.conv_norm import ConvNorm
from skinseg.models.keymap import Rule, numbered, rename
from skinseg.models.unet import DoubleConv, PooledUNet, pad_to_skip
from skinseg.registry import register_model

AUTHORS_NAMES: list[Rule] = [
    (r"^Conv(\d)\.conv\.", numbered("encoder.levels.{}.")),
    (r"^Up(\d)\.up\.1\.", numbered("decoder.{}.up.conv.", 5, -1)),
    (r"^Up(\d)\.up\.2\.", numbered("decoder.{}.up.norm.", 5, -1)),
    (r"^Up_conv(\d)\.conv\.", numbered("decoder.{}.fuse.", 5, -1)),
    (r"^Att(\d)\.", numbered("decoder.{}.gate.", 5, -1)),
    (r"\.W_g\.", ".gate."),
    (r"\.W_x\.", ".skip."),
    (r"\.psi\.", ".attention."),
    (r"\.(gate|skip|attention)\.0\.", r".\1.conv."),
    (r"\.(gate|skip|attention)\.1\.", r".\1.norm."),
    (r"^Conv_1x1\.", "head."),
]


class AttentionUpBlock(nn.Module):
    """Nearest upsampling and 3x3 convolution; the gated skip beside it; double convolution."""

    def __init__(self, in_chans: int, out_chans: int, gate_chans: int) -> None:
        super().__init__()
        self.enlarge = nn.Upsample(scale_factor=2)
        self.up = ConvNorm(in_chans, out_chans, 3, bias=True)
        self.gate = AttentionGate(out_chans, out_chans, gate_chans)
        self.fuse = DoubleConv(2 * out_chans, out_chans)

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Double (B, C_in, h, w) and fuse it with what it takes of the skip (B, C_out, H, W)."""
        x = self.up(pad_to_skip(self.enlarge(x), skip))
        fused: torch.Tensor = self.fuse(torch.cat([self.gate(x, skip), x], dim=1))
        return fused


class AttentionUNet(PooledUNet):
    """Attention U-Net: five levels, with an additive attention gate at each skip.

    Source: Oktay et al., MIDL 2018 (arXiv 1804.03999), in the widely used public implementation, at
    half its widths. There the gate has the skip's size, since the decoder's map is enlarged before
    it, to its nearest neighbors.

    Args:
        in_chans: Channels of the input.
        num_classes: Channels of the logits.
        channels: Width of each level; two to six levels, so that 32x32 images can be halved.
        min_gate_channels: A gate compares the maps in half the skip's channels, but in no fewer
            than these. 32 is the public implementation's narrowest gate, which is not halved with
            the rest here; with 16, all are.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> AttentionUNet(channels=(4, 8, 16))(torch.randn(1, 3, 45, 50)).shape
        torch.Size([1, 1, 45, 50])
    """

    paper = Citation(
        key="oktay2018attention",
        title="Attention U-Net: Learning Where to Look for the Pancreas",
        authors=(
            "Ozan Oktay",
            "Jo Schlemper",
            "Loic Le Folgoc",
            "Matthew Lee",
            "Mattias Heinrich",
            "Kazunari Misawa",
            "Kensaku Mori",
            "Steven McDonagh",
            "Nils Y. Hammerla",
            "Bernhard Kainz",
            "Ben Glocker",
            "Daniel Rueckert",
        ),
        year=2018,
        arxiv="1804.03999",
    )

    def __init__(
        self,
        *,
        in_chans: int = 3,
        num_classes: int = 1,
        channels: Sequence[int] = (32, 64, 128, 256, 512),
        min_gate_channels: int = 32,
    ) -> None:
        super().__init__(
            {
                "in_chans": in_chans,
                "num_classes": num_classes,
                "channels": list(channels),
                "min_gate_channels": min_gate_channels,
            }
        )
        if min_gate_channels < 1:
            raise ValueError(f"min_gate_channels must be at least 1, not {min_gate_channels}")
        self.decoder = nn.ModuleList(
            AttentionUpBlock(wide, narrow, max(narrow // 2, min_gate_channels))
            for wide, narrow in pairwise(reversed(channels))
        )

    @classmethod
    def convert_authors_weights(cls, state: StateDict) -> StateDict:
        """Rename the weights of a checkpoint of the public implementation."""
        return rename(state, AUTHORS_NAMES)


@register_model
def attention_unet(**kwargs: Any) -> AttentionUNet:
    """Attention U-Net of MALUNet's Table II: 32 to 512 channels, 8,727,213 parameters."""
    return AttentionUNet(**kwargs)
