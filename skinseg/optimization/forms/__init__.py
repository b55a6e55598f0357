"""Blocks in another form: the same function of the same weights, faster or with less rounding."""

from collections.abc import Callable
from typing import Any

from torch import nn

from skinseg.blocks.ecdf import ECDF
from skinseg.blocks.gab import GroupAggregationBridge
from skinseg.blocks.ghpa import AxisWeights
from skinseg.blocks.instance_norm import InstanceNorm2d
from skinseg.blocks.layer_norm import LayerNorm2d
from skinseg.optimization.forms.axis_weights import AxisWeightsAsPlane
from skinseg.optimization.forms.ecdf import InterleavedECDF
from skinseg.optimization.forms.gab import MergedGroupAggregationBridge
from skinseg.optimization.forms.instance_norm import CenteredInstanceNorm
from skinseg.optimization.forms.layer_norm import ConvolutionalLayerNorm

FORMS: dict[type[nn.Module], Callable[[Any], nn.Module]] = {
    AxisWeights: AxisWeightsAsPlane,
    ECDF: InterleavedECDF,
    InstanceNorm2d: CenteredInstanceNorm,
    GroupAggregationBridge: MergedGroupAggregationBridge,
    LayerNorm2d: ConvolutionalLayerNorm,
}


def use_forms(model: nn.Module) -> None:
    """Replace each block of the model that has a form, in place.

    A subclass of a block may compute something else, so that only the classes themselves count.
    """
    for name, child in model.named_children():
        form = FORMS.get(type(child))
        if form is None:
            use_forms(child)
        else:
            setattr(model, name, form(child))
