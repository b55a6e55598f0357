import torch
from torch import nn
from torch.nn import functional as F

from skinseg.blocks.channels import split_widths
from skinseg.blocks.layer_norm import LayerNorm2d


class GroupAggregationBridge(nn.Module):
    """Group Aggregation Bridge (GAB): a skip connection that sees two stages and a mask.

    The deeper map is brought to the size and width of the shallower one; both are cut into four
    groups, each pair of groups is joined by the mask that the decoder predicts at this stage, and
    convolved at a dilation of its own.

    Source: EGE-UNet (MICCAI 2023, arXiv 2307.08473), Section 2. As in the authors' code, the
    deeper map passes a plain 1x1 convolution (the paper: a depthwise-separable one).

    Args:
        in_chans: Channels C_high of the deeper map.
        out_chans: Channels C_low of the shallower map and of the result, at least 4; ``in_chans``
            by default.
        mask: Whether ``forward`` takes a mask.
        dilations: Dilation of each group, in channel order.

    Raises:
        ValueError: If C_low is less than the number of groups, or a mask is missing or not wanted.

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
        dilations: tuple[int, ...] = (1, 2, 5, 7),
    ) -> None:
        super().__init__()
        out_chans = out_chans or in_chans
        self.mask = mask
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
        """Fuse ``high`` (B, C_high, h, w) into ``low`` (B, C_low, H, W) under ``mask``."""
        if self.mask != (mask is not None):
            raise ValueError(
                "this bridge needs the mask logits (B, 1, H, W); pass mask=, or make the bridge "
                "with mask=False"
                if self.mask
                else "this bridge was made with mask=False; call it without a mask"
            )
        high = F.interpolate(
            self.reduce(high), size=low.shape[-2:], mode="bilinear", align_corners=True
        )
        masks = () if mask is None else (mask,)
        pairs = zip(high.split(self.widths, dim=1), low.split(self.widths, dim=1), strict=True)
        fused = [
            group(torch.cat((*pair, *masks), dim=1))
            for group, pair in zip(self.groups, pairs, strict=True)
        ]
        return self.aggregate(torch.cat(fused, dim=1))
