"""MobileNetV3: its small encoder under BasicUNet's decoder."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import nn

from skinseg.checkpoint import StateDict
from skinseg.models.backbone_unet import BackboneEncoder, BackboneUNet
from skinseg.models.citation import Citation
from skinseg.models.conv_norm import ConvNorm
from skinseg.models.inverted_residual import InvertedResidual, round_channels
from skinseg.models.keymap import Rule, numbered, rename
from skinseg.models.squeeze_excite import SqueezeExcite
from skinseg.registry import register_model

STEM = 16
LAST = 576


class Layer(NamedTuple):
    """An inverted residual: a row of the paper's Table 2, its expansion as a factor."""

    kernel_size: int
    expansion: float
    channels: int
    squeeze: bool
    act: type[nn.Module]


# The rows between two halvings; the first of each has stride 2.
STAGES = (
    [Layer(3, 1, 16, True, nn.ReLU)],
    [Layer(3, 4.5, 24, False, nn.ReLU), Layer(3, 3.67, 24, False, nn.ReLU)],
    [
        Layer(5, 4, 40, True, nn.Hardswish),
        *[Layer(5, 6, 40, True, nn.Hardswish)] * 2,
        *[Layer(5, 3, 48, True, nn.Hardswish)] * 2,
    ],
    [Layer(5, 6, 96, True, nn.Hardswish)] * 3,
)

TIMM_NAMES: list[Rule] = [
    (r"^conv_stem\.", "stages.0.conv."),
    (r"^bn1\.", "stages.0.norm."),
    # timm divides the stage at 1/16 where the width changes, and sets the last convolution apart.
    (r"^blocks\.3\.(\d)\.", numbered("stages.3.{}.", offset=3)),
    (r"^blocks\.5\.0\.bn1\.", "stages.4.3.norm."),
    (r"^blocks\.5\.0\.", "stages.4.3."),
    (r"^blocks\.([0-2])\.", numbered("stages.{}.", offset=1)),
    (r"^blocks\.4\.", "stages.4."),
    # In the first block, which does not expand, timm numbers the norms from the depthwise one.
    (r"^(stages\.1\.0)\.bn1\.", r"\1.depthwise.norm."),
    (r"^(stages\.1\.0)\.bn2\.", r"\1.project.norm."),
    (r"^(stages\.1\.0)\.conv_pw\.", r"\1.project.conv."),
    (r"\.bn1\.", ".expand.norm."),
    (r"\.bn2\.", ".depthwise.norm."),
    (r"\.bn3\.", ".project.norm."),
    (r"\.conv_pw\.", ".expand.conv."),
    (r"\.conv_dw\.", ".depthwise.conv."),
    (r"\.conv_pwl\.", ".project.conv."),
    (r"\.se\.conv_", ".attention."),
]


def make_layer(in_chans: int, out_chans: int, layer: Layer, stride: int) -> InvertedResidual:
    """Return the inverted residual that a row of the table describes."""
    expanded = round_channels(in_chans * layer.expansion)
    reduced = round_channels(expanded / 4)
    return InvertedResidual(
        in_chans,
        out_chans,
        expanded,
        layer.act(),
        kernel_size=layer.kernel_size,
        stride=stride,
        attention=SqueezeExcite(expanded, reduced, nn.Hardsigmoid()) if layer.squeeze else None,
    )


def stage(in_chans: int, channels: Sequence[int], rows: Sequence[Layer]) -> nn.Sequential:
    """Return the inverted residuals of ``rows``, ``channels`` wide, the first with stride 2."""
    return nn.Sequential(
        *(
            make_layer(narrow, wide, layer, stride=1 if index else 2)
            for index, (narrow, wide, layer) in enumerate(
                zip([in_chans, *channels], channels, rows, strict=False)
            )
        )
    )


def mobilenetv3_encoder(in_chans: int, width: float) -> BackboneEncoder:
    """Return MobileNetV3-Small without its classifier: maps at H/2, H/4, H/8, H/16 and H/32.

    Args:
        in_chans: Channels of the input.
        width: Factor of the widths; 1 is the published network.
    """
    # Narrow networks keep the width of the first convolution, as timm's do.
    channels = [STEM if width < 0.75 else round_channels(STEM * width)]
    stages: list[nn.Sequential] = [ConvNorm(in_chans, channels[0], 3, stride=2, act=nn.Hardswish())]
    for rows in STAGES:
        widths = [round_channels(layer.channels * width) for layer in rows]
        stages.append(stage(channels[-1], widths, rows))
        channels.append(widths[-1])
    last = round_channels(LAST * width)
    stages[-1].append(ConvNorm(channels[-1], last, 1, act=nn.Hardswish()))
    return BackboneEncoder(stages, [*channels[:-1], last])


class MobileNetV3(BackboneUNet):
    """MobileNetV3-Small as the encoder of BasicUNet's decoder.

    Source: Howard et al., ICCV 2019 (arXiv 1905.02244), Table 2. The network of that name in
    EGE-UNet's Table 1 (arXiv 2307.08473); see
    :class:`~skinseg.models.backbone_unet.BackboneUNet` for how its decoder was found.

    In training, BatchNorm needs more than one value per channel: a batch of one image must be
    larger than 32x32.

    Args:
        in_chans: Channels of the input.
        num_classes: Channels of the logits.
        width: Factor of the encoder's widths, above 0; 1 is timm's ``mobilenetv3_small_100``.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import torch
        >>> MobileNetV3(width=0.5)(torch.randn(2, 3, 45, 50)).shape
        torch.Size([2, 1, 45, 50])
    """

    paper = Citation(
        key="howard2019mobilenetv3",
        title="Searching for MobileNetV3",
        authors=(
            "Andrew Howard",
            "Mark Sandler",
            "Grace Chu",
            "Liang-Chieh Chen",
            "Bo Chen",
            "Mingxing Tan",
            "Weijun Wang",
            "Yukun Zhu",
            "Ruoming Pang",
            "Vijay Vasudevan",
            "Quoc V. Le",
            "Hartwig Adam",
        ),
        venue="IEEE/CVF International Conference on Computer Vision (ICCV)",
        year=2019,
        arxiv="1905.02244",
    )

    first_conv = "encoder.stages.0.conv"

    def __init__(self, *, in_chans: int = 3, num_classes: int = 1, width: float = 1.0) -> None:
        super().__init__(
            {"in_chans": in_chans, "num_classes": num_classes, "width": width}, mobilenetv3_encoder
        )

    @classmethod
    def convert_encoder_weights(cls, state: StateDict) -> StateDict:
        """Rename the weights of timm's ``mobilenetv3_small_*``, without the classifier's."""
        classifier = ("conv_head.", "classifier.")
        encoder = {key: x for key, x in state.items() if not key.startswith(classifier)}
        return rename(encoder, TIMM_NAMES)


@register_model
def mobilenetv3(**kwargs: Any) -> MobileNetV3:
    """MobileNetV3-Small under BasicUNet's decoder: 1,192,297 parameters."""
    return MobileNetV3(**kwargs)
