"""Blocks in a U-Net of segmentation_models_pytorch.

    python docs/examples/smp_unet.py

prints what each operation changes. ``UNet`` stands for any network of that library: its encoder
gives a list of feature maps (the image itself first, the deepest last), its decoder takes it.
"""

from itertools import pairwise

import segmentation_models_pytorch as smp
import torch
from torch import nn

import skinseg
from skinseg import surgery

EXAMPLE = torch.zeros(1, 3, 128, 128)
SKIPS = range(1, 5)


def unet(encoder: str = "tu-mobilenetv3_small_100") -> nn.Module:
    """The host; with ``encoder_weights="imagenet"`` its encoder is pretrained, and stays so."""
    return smp.Unet(encoder, encoder_weights=None, decoder_channels=(64, 48, 32, 24, 16))


def ecdf_decoder(host: nn.Module) -> surgery.SurgeryReport:
    """Every double convolution of the decoder becomes an ECDF block."""
    double = surgery.conv_run() & surgery.by_name("decoder.**")
    return surgery.replace(host, double, "ecdf", example_input=EXAMPLE)


def dga_bottleneck(host: nn.Module) -> surgery.SurgeryReport:
    """A DGA block on the deepest map, between encoder and decoder."""
    return surgery.insert(host, "dga", after="encoder", maps=-1, example_input=EXAMPLE)


def bridged_skips(host: nn.Module) -> surgery.SurgeryReport:
    """SAB, then CAB, on the four skips together, before the decoder takes them."""
    return surgery.insert(host, "scab", before="decoder", maps=SKIPS, example_input=EXAMPLE)


class GABSkips(nn.Module):
    """A GAB a skip, from deep to shallow; each sees the one below it, as in EGE-UNet."""

    def __init__(self, in_chans: list[int]) -> None:
        super().__init__()
        self.gabs = nn.ModuleList(
            skinseg.create_block("gab", high, low, mask=False) for low, high in pairwise(in_chans)
        )

    def forward(self, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        """Attend to all maps (B, C_i, H_i, W_i) but the deepest, which is last."""
        attended = [maps[-1]]
        for gab, low in zip(reversed(self.gabs), reversed(maps[:-1]), strict=True):
            attended.append(low + gab(attended[-1], low))
        return attended[::-1]


def gab_skips(host: nn.Module) -> surgery.SurgeryReport:
    """GAB on the skips: a block of one's own takes the channels and the maps of all levels."""
    maps = range(1, 6)
    return surgery.insert(host, GABSkips, before="decoder", maps=maps, example_input=EXAMPLE)


def everything(host: nn.Module) -> surgery.SurgeryReport:
    """All of MALUNet's and LMSAUNet's ideas at once: one operation after another."""
    return bridged_skips(dga_bottleneck(ecdf_decoder(host).model).model)


if __name__ == "__main__":
    for operation in (ecdf_decoder, dga_bottleneck, bridged_skips, gab_skips):
        print(operation.__doc__, operation(unet()), sep="\n", end="\n\n")
