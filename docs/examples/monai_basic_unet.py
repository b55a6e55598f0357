"""Blocks in MONAI's BasicUNet.

    python docs/examples/monai_basic_unet.py

prints what each operation changes.
"""

import torch
from monai.networks.nets import BasicUNet
from torch import nn

from skinseg import surgery

EXAMPLE = torch.zeros(1, 3, 128, 128)
DEEP = ("down_3.convs", "down_4.convs", "upcat_4.convs")


def basic_unet() -> nn.Module:
    """The host: five levels, two 3x3 convolutions each."""
    widths = (16, 16, 32, 64, 128, 16)
    return BasicUNet(spatial_dims=2, in_channels=3, out_channels=1, features=widths)


def ecdf_everywhere(host: nn.Module) -> surgery.SurgeryReport:
    """Every double convolution becomes an ECDF block, as LMSAUNet's authors do with SegNet."""
    return surgery.replace(host, surgery.conv_run(), "ecdf", example_input=EXAMPLE)


def ghpa_deep(host: nn.Module) -> surgery.SurgeryReport:
    """The three deepest double convolutions become GHPA blocks, as in EGE-UNet."""
    return surgery.replace(host, surgery.by_name(*DEEP), "ghpa", example_input=EXAMPLE)


def iea_deep(host: nn.Module) -> surgery.SurgeryReport:
    """An IEA block behind each of the three deepest double convolutions, as in MALUNet."""
    return surgery.insert(host, "iea", after=surgery.by_name(*DEEP), example_input=EXAMPLE)


def sab_skips(host: nn.Module) -> surgery.SurgeryReport:
    """A SAB on each skip: the second argument of the decoder's steps."""
    steps = surgery.by_name("upcat_*")
    return surgery.insert(host, "sab", before=steps, argument=1, example_input=EXAMPLE)


def cab_skips(host: nn.Module) -> surgery.SurgeryReport:
    """A CAB on each skip; on all of them together it needs a host that has them in a list."""
    steps = surgery.by_name("upcat_*")
    return surgery.insert(host, "cab", before=steps, argument=1, example_input=EXAMPLE)


if __name__ == "__main__":
    for operation in (ecdf_everywhere, ghpa_deep, iea_deep, sab_skips, cab_skips):
        print(operation.__doc__, operation(basic_unet()), sep="\n", end="\n\n")
