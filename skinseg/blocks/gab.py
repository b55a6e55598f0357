from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from skinseg.arguments import require_branches
from skinseg.blocks.channels import output_channels, split_widths
from skinseg.blocks.layer_norm import LayerNorm2d


class GroupAggregationBridge(nn.Module):
    """Group Aggregation Bridge (GAB): a skip connection that sees two stages and a mask.

    The deeper map is brought to the size and width of the shallower one. Both are split into four
    groups. Each pair of groups is joined by the mask that the decoder predicts at this stage, and
    convolved at its own dilation.

    Source: EGE-UNet (MICCAI 2023, arXiv 2307.08473), Section 2. As in the authors' code, the
    deeper map passes a plain 1x1 convolution (the paper: a depthwise-separable one).

    Args:
        in_chans: Channels C_high of the deeper map.
        out_chans: Channels C_low of the shallower map and of the result, at least 4; ``in_chans``
            by default.
        mask: Whether ``forward`` takes a mask.
        dilations: Dilation of each group, in channel order.

    Raises:
        ValueError: If C_low is less than the number of groups, there is no dilation or one below 1,
            or ``forward`` gets no mask although ``mask`` is true, or one although it is false.

    Shape:
        high (B, C_high, h, w), low (B, C_low, H, W), mask (B, 1, H, W) as logits ->
        (B, C_low, H, W), floating point.

    Example:
        >>> gab = GroupAggregationBridge(24, 16)
        >>> high, low = torch.randn(1, 24, 8, 8), torch.randn(1, 16, 16, 16)
        >>> gab(high, low, mask=torch.zeros(1, 1, 16, 16)).shape
        torch.Size([1, 16, 16, 16])
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int | None = None,
        *,
        mask: bool = True,
        dilations: Sequence[int] = (1, 2, 5, 7),
    ) -> None:
        super().__init__()
        out_chans = output_channels(in_chans, out_chans)
        self.mask = mask
        dilations = require_branches("dilations", dilations)
        self.widths = split_widths(out_chans, len(dilations))
        self.reduce = nn.Conv2d(in_chans, out_chans, 1)
        self.groups = nn.ModuleList(
            self._group(2 * width + mask, dilation)
            for width, dilation in zip(self.widths, dilations, strict=True)
        )
        total = 2 * out_chans + mask * len(dilations)
        self.aggregate = nn.Sequential(LayerNorm2d(total), nn.Conv2d(total, out_chans, 1))

    @staticmethod
    def _group(width: int, dilation: int) -> nn.Sequential:
        conv = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, groups=width)
        return nn.Sequential(LayerNorm2d(width), conv)

    def forward(
        self, high: torch.Tensor, low: torch.Tensor, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Fuse the deeper map into the shallower one, guided by the mask.

        Args:
            high: Deeper map (B, C_high, h, w).
            low: Shallower map (B, C_low, H, W).
            mask: Logits (B, 1, H, W); None for a bridge made with ``mask=False``.

        Returns:
            A map (B, C_low, H, W).

        Raises:
            ValueError: If the mask is missing, or the bridge takes none.
        """
        if self.mask != (mask is not None):
            raise ValueError(
                "this bridge needs the mask logits (B, 1, H, W); pass mask=, or make the bridge "
                "with mask=False"
                if self.mask
                else "this bridge was made with mask=False; call it without a mask"
            )
        size = low.shape[-2:]
        # Section 2: the deeper map at the shallower one's width and size.
        high = F.interpolate(self.reduce(high), size=size, mode="bilinear", align_corners=True)
        masks = () if mask is None else (mask,)
        highs, lows = (torch.split(x, self.widths, dim=1) for x in (high, low))  # Section 2
        fused = [
            group(torch.cat((high_i, low_i, *masks), dim=1))  # Section 2: one dilation per group
            for group, high_i, low_i in zip(self.groups, highs, lows, strict=True)
        ]
        aggregated: torch.Tensor = self.aggregate(torch.cat(fused, dim=1))  # Section 2: 1x1
        return aggregated
