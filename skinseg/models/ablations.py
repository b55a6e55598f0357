"""The rows of the papers' ablation tables, each a network of its own.

MALUNet's Tables III to V (BIBM 2022, arXiv 2211.01784), EGE-UNet's Table 2 (MICCAI 2023, arXiv
2307.08473), and LMSAUNet (Sci Rep 15, 34327, 2025) with other compression factors.
"""

from typing import Any

from skinseg.models.basic_unet import BasicUNet
from skinseg.models.egeunet import EGEUNet
from skinseg.models.lmsaunet import LMSAUNet
from skinseg.models.malunet import MALUNet
from skinseg.registry import register_model


@register_model
def basic_unet_96(**kwargs: Any) -> BasicUNet:
    """BasicUNet of MALUNet's Table III with widths 8 to 96."""
    return BasicUNet(**{"channels": (8, 16, 32, 48, 64, 96), **kwargs})


@register_model
def basic_unet_160(**kwargs: Any) -> BasicUNet:
    """BasicUNet of MALUNet's Table III with widths 8 to 160."""
    return BasicUNet(**{"channels": (8, 16, 32, 64, 128, 160), **kwargs})


@register_model
def basic_unet_256(**kwargs: Any) -> BasicUNet:
    """BasicUNet of MALUNet's Table III with widths 16 to 256."""
    return BasicUNet(**{"channels": (16, 32, 64, 128, 160, 256), **kwargs})


@register_model
def basic_unet_dga(**kwargs: Any) -> BasicUNet:
    """BU + DGA of MALUNet's Table IV."""
    return BasicUNet(**{"attention": "dga", **kwargs})


@register_model
def basic_unet_ea(**kwargs: Any) -> BasicUNet:
    """BU + EA of MALUNet's Table IV."""
    return BasicUNet(**{"attention": "ea", **kwargs})


@register_model
def basic_unet_iea(**kwargs: Any) -> BasicUNet:
    """BU + IEA of MALUNet's Table IV."""
    return BasicUNet(**{"attention": "iea", **kwargs})


@register_model
def basic_unet_cab(**kwargs: Any) -> BasicUNet:
    """BU + CAB of MALUNet's Table IV."""
    return BasicUNet(**{"bridge": "cab", **kwargs})


@register_model
def basic_unet_sab(**kwargs: Any) -> BasicUNet:
    """BU + SAB of MALUNet's Table IV."""
    return BasicUNet(**{"bridge": "sab", **kwargs})


@register_model
def malunet_cab_sab(**kwargs: Any) -> MALUNet:
    """MALUNet with the channel bridge first (its Table V, third row)."""
    return MALUNet(**{"bridge": "cab-sab", **kwargs})


@register_model
def malunet_dga_iea(**kwargs: Any) -> MALUNet:
    """MALUNet with DGA before IEA (its Table V, second row)."""
    return MALUNet(**{"attention": "dga-iea", **kwargs})


@register_model
def malunet_dga_iea_cab_sab(**kwargs: Any) -> MALUNet:
    """MALUNet with DGA before IEA and the channel bridge first (its Table V, first row)."""
    return MALUNet(**{"attention": "dga-iea", "bridge": "cab-sab", **kwargs})


@register_model
def egeunet_baseline(**kwargs: Any) -> EGEUNet:
    """Baseline of EGE-UNet's Table 2: convolutions, BatchNorm and plain skips."""
    plain = {"attention": False, "bridge": False, "deep_supervision": False, "norm": "batch"}
    return EGEUNet(**{**plain, **kwargs})


@register_model
def egeunet_ghpa(**kwargs: Any) -> EGEUNet:
    """Baseline + GHPA of EGE-UNet's Table 2: plain skips, no auxiliary heads."""
    return EGEUNet(**{"bridge": False, "deep_supervision": False, **kwargs})


@register_model
def egeunet_gab(**kwargs: Any) -> EGEUNet:
    """Baseline + GAB of EGE-UNet's Table 2: convolutions in the deep stages."""
    return EGEUNet(**{"attention": False, **kwargs})


@register_model
def egeunet_single_axis(**kwargs: Any) -> EGEUNet:
    """EGE-UNet's Table 2, "w/o multi-axis grouping"."""
    return EGEUNet(**{"multi_axis": False, **kwargs})


@register_model
def egeunet_raw_tensors(**kwargs: Any) -> EGEUNet:
    """EGE-UNet's Table 2, "w/o DW for initialized tensor"."""
    return EGEUNet(**{"refine": False, **kwargs})


@register_model
def egeunet_no_mask(**kwargs: Any) -> EGEUNet:
    """EGE-UNet's Table 2, "w/o mask information": no auxiliary heads."""
    return EGEUNet(**{"deep_supervision": False, **kwargs})


@register_model
def egeunet_no_dilation(**kwargs: Any) -> EGEUNet:
    """EGE-UNet's Table 2, "w/o dilation rate of Conv2d"."""
    return EGEUNet(**{"dilations": (1, 1, 1, 1), **kwargs})


@register_model
def lmsaunet_n2(**kwargs: Any) -> LMSAUNet:
    """LMSAUNet with N = 2: no depthwise convolution at all."""
    return LMSAUNet(**{"compression": 2, **kwargs})


@register_model
def lmsaunet_n4(**kwargs: Any) -> LMSAUNet:
    """LMSAUNet with N = 4."""
    return LMSAUNet(**{"compression": 4, **kwargs})


@register_model
def lmsaunet_n16(**kwargs: Any) -> LMSAUNet:
    """LMSAUNet with N = 16."""
    return LMSAUNet(**{"compression": 16, **kwargs})


@register_model
def lmsaunet_no_attention(**kwargs: Any) -> LMSAUNet:
    """LMSAUNet with N = 32 and no attention in its blocks."""
    return LMSAUNet(**{"attention": False, **kwargs})


@register_model
def lmsaunet_n8_no_attention(**kwargs: Any) -> LMSAUNet:
    """LMSAUNet with N = 8 and no attention in its blocks."""
    return LMSAUNet(**{"compression": 8, "attention": False, **kwargs})
