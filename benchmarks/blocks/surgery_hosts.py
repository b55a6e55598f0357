"""The networks that the matrix puts blocks into, by name: of smp, timm and MONAI, and odd ones."""

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from benchmarks.blocks.odd_hosts import ODD_HOSTS, call_of
from benchmarks.blocks.surgery_checks import Arguments

# Every architecture of smp with three encoders; where it does not take one, with another instead.
SMP = (
    *("unet", "unetplusplus", "manet", "linknet", "fpn", "pspnet", "deeplabv3", "deeplabv3plus"),
    *("pan", "upernet", "segformer", "dpt"),
)
ENCODERS = ("resnet18", "tu-mobilenetv3_small_050", "mit_b0")
OTHER_ENCODERS = ("mobilenet_v2", "timm-efficientnet-lite0", "tu-resnet10t")
# DPT takes vision transformers alone, at the size of their pictures.
DPT_ENCODERS = ("tu-vit_tiny_patch16_224", "tu-deit_tiny_patch16_224", "tu-test_vit")
TIMM = (
    *("resnet10t", "resnet18", "mobilenetv3_small_050", "efficientnet_lite0", "ghostnet_050"),
    *("lcnet_050", "mnasnet_small", "regnetx_002", "regnety_002", "convnext_atto"),
    *("convnextv2_atto", "edgenext_xx_small", "mobilevit_xxs", "mobilevitv2_050", "fbnetc_100"),
    *("hardcorenas_a", "semnasnet_075", "tinynet_e", "repghostnet_050", "mobilenetv4_conv_small"),
    *("mobilenetv2_035", "spnasnet_100", "repvgg_a0", "dla46_c", "pvt_v2_b0", "test_vit"),
    *("fastvit_t8", "xcit_nano_12_p8_224", "efficientvit_b0", "levit_128s", "swin_s3_tiny_224"),
)
MONAI: dict[str, dict[str, Any]] = {
    "BasicUNet": {"features": (8, 8, 16, 16, 32, 8)},
    "BasicUNetPlusPlus": {"features": (8, 8, 16, 16, 32, 8)},
    "UNet": {"channels": (8, 16, 32), "strides": (2, 2), "num_res_units": 1},
    "AttentionUnet": {"channels": (8, 16, 32), "strides": (2, 2)},
    "SegResNet": {"init_filters": 8},
    "DynUNet": {
        "kernel_size": [3, 3, 3],
        "strides": [1, 2, 2],
        "upsample_kernel_size": [2, 2],
        "filters": [8, 16, 32],
    },
    "FlexibleUNet": {"backbone": "resnet18", "decoder_channels": (32, 16, 16, 8, 8)},
    "UNETR": {"img_size": 64, "feature_size": 4, "hidden_size": 24, "mlp_dim": 48, "num_heads": 2},
    "SwinUNETR": {"feature_size": 12},
    "SegResNetDS": {"init_filters": 8},
    "HighResNet": {},
    "DenseNet121": {},
    "EfficientNetBN": {"model_name": "efficientnet-b0", "pretrained": False},
    "AutoEncoder": {"channels": (8, 16, 32), "strides": (2, 2, 2)},
    "MedNeXtSmall": {},
}


@dataclasses.dataclass(frozen=True)
class Host:
    """A network to operate on.

    Attributes:
        name: Its library and name.
        make: Builds it; the same weights each time.
        arguments: What it is called with for a batch of images.
        sizes: (height, width) of the images, the example's first.
        deep: Name of the module whose list of maps a bridge may see, or None.
    """

    name: str
    make: Callable[[], nn.Module]
    arguments: Callable[[torch.Tensor], Arguments]
    sizes: tuple[tuple[int, int], ...] = ((64, 64), (96, 128))
    deep: str | None = None

    def examples(self) -> list[Arguments]:
        """Arguments at each size."""
        generator = torch.Generator().manual_seed(0)
        return [self.arguments(torch.rand(2, 3, *size, generator=generator)) for size in self.sizes]


def hosts() -> list[Host]:
    """Return all of them, whether they can be built or not."""
    odd = [Host(f"odd {kind.__name__}", _seeded(kind), call_of(kind)) for kind in ODD_HOSTS]
    smp = [
        _smp(architecture, encoder, others)
        for architecture in SMP
        for encoder, others in zip(
            DPT_ENCODERS if architecture == "dpt" else ENCODERS, OTHER_ENCODERS, strict=True
        )
    ]
    timm = [_timm(name, features) for name in TIMM for features in (True, False)]
    monai = [_monai(name) for name in MONAI]
    return [*odd, *smp, *timm, *monai]


def _positional(x: torch.Tensor) -> Arguments:
    return (x,), {}


def _seeded(make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    def seeded() -> nn.Module:
        torch.manual_seed(0)
        return make()

    return seeded


def _smp(architecture: str, encoder: str, other: str) -> Host:
    dpt = architecture == "dpt"

    def make() -> nn.Module:
        smp = importlib.import_module("segmentation_models_pytorch")
        narrow = {"decoder_channels": (32, 24, 16, 16, 8)} if architecture == "unet" else {}
        options = {"encoder_weights": None, **narrow}
        if dpt:
            options["dynamic_img_size"] = True
        try:
            network: nn.Module = smp.create_model(architecture, encoder, **options)
        except (ValueError, KeyError, NotImplementedError, TypeError):
            network = smp.create_model(architecture, other, **options)
        return network

    # PAN pools its deepest map twice.
    sizes = ((128, 128), (160, 128)) if architecture == "pan" else ((64, 64), (128, 96))
    name = f"smp {architecture}, {encoder}"
    return Host(name, _seeded(make), _positional, sizes, None if dpt else "encoder")


def _timm(name: str, features: bool) -> Host:
    def make() -> nn.Module:
        timm = importlib.import_module("timm")
        try:
            network: nn.Module = timm.create_model(name, features_only=features, img_size=64)
        except TypeError:
            network = timm.create_model(name, features_only=features)
        return network

    one_size = name in ("levit_128s", "swin_s3_tiny_224")
    sizes = ((64, 64), (64, 64)) if one_size else ((64, 64), (96, 128))
    title = f"timm {name}, {'features' if features else 'whole'}"
    return Host(title, _seeded(make), _positional, sizes)


def _monai(name: str) -> Host:
    def make() -> nn.Module:
        nets = importlib.import_module("monai.networks.nets")
        channels = {"in_channels": 3, "out_channels": 2}
        if name == "EfficientNetBN":
            channels = {"in_channels": 3, "num_classes": 2}
        network: nn.Module = getattr(nets, name)(spatial_dims=2, **channels, **MONAI[name])
        return network

    sizes = ((64, 64), (64, 64)) if name == "UNETR" else ((64, 64), (96, 128))
    return Host(f"monai {name}", _seeded(make), _positional, sizes)
