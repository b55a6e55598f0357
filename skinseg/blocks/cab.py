from collections.abc import Sequence
from typing import overload

import torch
from einops import rearrange
from torch import nn

from skinseg.blocks.feature_maps import FeatureMaps, as_list, like, map_channels


class ChannelAttentionBridge(nn.Module):
    """Channel Attention Bridge (CAB): channel weights of each stage, drawn from all stages.

    The means of all channels of all stages form one vector. A 1-D convolution of kernel 3 mixes
    neighbors in it, and one head per stage turns it into that stage's channel weights:
    ``y_i = x_i + x_i * weights_i``.

    Source: MALUNet (BIBM 2022, arXiv 2211.01784), Section III.

    Args:
        in_chans: Channels of each map, in the order in which they are passed; an int for one map.
        heads: ``"linear"`` for fully connected heads, as the published network has them, or
            ``"conv"`` for 1-D convolutions of kernel 1: the same function and as many parameters,
            but other initial weights.

    Raises:
        ValueError: If ``heads`` is neither, a map has no channels, or ``forward`` gets another
            number of maps.

    Shape:
        A map (B, C, H, W), or a sequence of maps (B, C_i, H_i, W_i), floating point, of any sizes.
        The result is a map or a list of maps accordingly, each of its input's shape.

    Example:
        >>> maps = [torch.randn(1, 8, 16, 16), torch.randn(1, 16, 8, 8)]
        >>> [tuple(y.shape) for y in ChannelAttentionBridge([8, 16])(maps)]
        [(1, 8, 16, 16), (1, 16, 8, 8)]
    """

    def __init__(self, in_chans: int | Sequence[int], *, heads: str = "linear") -> None:
        super().__init__()
        if heads not in ("linear", "conv"):
            raise ValueError(f'heads must be "linear" or "conv", not {heads!r}')
        widths = map_channels(in_chans)
        total = sum(widths)
        self.mix = nn.Conv1d(1, 1, 3, padding=1, bias=False)
        self.heads = nn.ModuleList(
            nn.Linear(total, width) if heads == "linear" else nn.Conv1d(total, width, 1)
            for width in widths
        )

    def attend(self, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return ``x_i * weights_i``, without the residual.

        Args:
            maps: One map (B, C_i, H_i, W_i) per stage.

        Returns:
            As many maps of the same shapes.

        Raises:
            ValueError: If there are more or fewer maps than stages.
        """
        if len(maps) != len(self.heads):
            raise ValueError(
                f"this bridge was made for {len(self.heads)} feature maps and got {len(maps)}"
            )
        means = torch.cat([x.mean((2, 3)) for x in maps], dim=1)  # Section III: pooling
        mixed = rearrange(self.mix(rearrange(means, "b c -> b 1 c")), "b 1 c -> b c")  # mixing
        return [x * self._weights(head, mixed) for x, head in zip(maps, self.heads, strict=True)]

    @staticmethod
    def _weights(head: nn.Module, mixed: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor
        if isinstance(head, nn.Conv1d):
            logits = rearrange(head(rearrange(mixed, "b c -> b c 1")), "b c 1 -> b c")
        else:
            logits = head(mixed)
        return rearrange(logits, "b c -> b c 1 1").sigmoid()  # Section III: one head per stage

    @overload
    def forward(self, maps: torch.Tensor) -> torch.Tensor: ...

    @overload
    def forward(self, maps: Sequence[torch.Tensor]) -> list[torch.Tensor]: ...

    def forward(self, maps: FeatureMaps) -> torch.Tensor | list[torch.Tensor]:
        """Attend to the channels of one or several maps (B, C_i, H_i, W_i)."""
        stages = as_list(maps)
        attended = self.attend(stages)
        return like(
            maps, [x + a for x, a in zip(stages, attended, strict=True)]
        )  # Section III: residual
