from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from skinseg.blocks.gab import GroupAggregationBridge
from skinseg.blocks.layer_norm import LayerNorm2d
from skinseg.optimization.forms.layer_norm import ConvolutionalLayerNorm, GroupedLayerNorm


class MergedGroupAggregationBridge(nn.Module):
    """GAB whose groups are gathered and normalized together, instead of one after another.

    Args:
        block: The published block, whose weights are used.
    """

    def __init__(self, block: GroupAggregationBridge) -> None:
        super().__init__()
        self.reduce = block.reduce
        groups: list[Any] = list(block.groups)
        norms: list[LayerNorm2d] = [norm for norm, _ in groups]
        self.widths = [len(norm.weight) for norm in norms]
        self.norm = GroupedLayerNorm(
            _gather(block.widths, block.mask).to(block.reduce.weight),
            self.widths,
            torch.cat([norm.weight.detach() for norm in norms]),
            torch.cat([norm.bias.detach() for norm in norms]),
            norms[0].eps,
        )
        self.convs = nn.ModuleList(conv for _, conv in groups)
        aggregate: list[Any] = list(block.aggregate)
        norm, conv = aggregate
        self.aggregate = nn.Sequential(ConvolutionalLayerNorm(norm), conv)

    def forward(
        self, high: torch.Tensor, low: torch.Tensor, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Fuse the deeper map into the shallower one, as the published block does."""
        high = F.interpolate(
            self.reduce(high), size=low.shape[-2:], mode="bilinear", align_corners=True
        )
        masks = () if mask is None else (mask,)
        groups = self.norm(torch.cat((high, low, *masks), dim=1)).split(self.widths, dim=1)
        convolved = [conv(group) for conv, group in zip(self.convs, groups, strict=True)]
        aggregated: torch.Tensor = self.aggregate(torch.cat(convolved, dim=1))
        return aggregated


def _gather(widths: list[int], mask: bool) -> torch.Tensor:
    """Zeros and ones: each group's channels of the deeper map, of the shallower, and the mask."""
    channels = sum(widths)
    rows = []
    start = 0
    for width in widths:
        group = range(start, start + width)
        rows += [*group, *(channels + index for index in group), *([2 * channels] * mask)]
        start += width
    return torch.eye(2 * channels + mask)[rows]
