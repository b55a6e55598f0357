"""An encoder of this package under the decoder of segmentation_models_pytorch.

    python docs/examples/encoder_for_smp.py

The encoder brings the weights that it learned from skin lesions, and needs no network for them.
"""

import torch
from segmentation_models_pytorch.base import SegmentationHead
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder
from torch import nn

import skinseg

# The fifth and sixth maps of the six-stage networks are of one size; smp wants each half as large.
MAPS = (0, 1, 2, 3, 5)


class SmpUNet(nn.Module):
    """Any encoder with ``feature_info`` whose maps are at H/2, H/4, and so on."""

    def __init__(self, encoder: nn.Module, decoder_channels: tuple[int, ...]) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = UnetDecoder(
            encoder_channels=(3, *encoder.feature_info.channels()),
            decoder_channels=decoder_channels,
            n_blocks=len(decoder_channels),
        )
        self.head = SegmentationHead(decoder_channels[-1], 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return lesion logits (B, 1, H, W) of images (B, 3, H, W), sides multiples of 32."""
        return self.head(self.decoder([image, *self.encoder(image)]))


def malunet_encoder() -> nn.Module:
    """MALUNet's encoder, its IEA and DGA stages with it, trained on ISIC 2017."""
    return skinseg.create_model("malunet", True, features_only=True, out_indices=MAPS)


def untrained_encoder() -> nn.Module:
    """The same with new weights."""
    return skinseg.create_model("malunet", features_only=True, out_indices=MAPS)


def plain_encoder() -> nn.Module:
    """The same without attention: BasicUNet's encoder."""
    return skinseg.create_model("basic_unet", features_only=True, out_indices=MAPS)


def smp_unet(encoder: nn.Module) -> nn.Module:
    """The network on one of these encoders."""
    return SmpUNet(encoder, decoder_channels=(48, 32, 24, 16, 8))


if __name__ == "__main__":
    network = smp_unet(malunet_encoder())
    size = sum(p.numel() for p in network.parameters())
    print(f"{size:,} parameters, logits {tuple(network(torch.zeros(1, 3, 128, 128)).shape)}")
