import math

import torch
from torch import nn
from torch.nn import functional as F

from skinseg.arguments import require_odd, require_whole
from skinseg.blocks.channels import output_channels
from skinseg.blocks.layer_norm import LayerNorm2d


def shift(x: torch.Tensor, dim: int, size: int) -> torch.Tensor:
    """Move groups of channels along height or width, each by another distance; zeros move in.

    Args:
        x: Map (B, C, H, W).
        dim: 2 to move along the height, 3 along the width.
        size: Odd number of groups; the distances are ``-(size // 2)`` to ``size // 2``. The last
            group is the narrower one where ``size`` does not divide C; few channels make fewer
            groups.

    Returns:
        Map (B, C, H, W).

    Example:
        >>> x = torch.tensor([1.0, 2.0, 3.0]).expand(1, 3, 1, 3)
        >>> shift(x, 3, 3)[0, :, 0]
        tensor([[2., 3., 0.],
                [1., 2., 3.],
                [0., 1., 2.]])
    """
    reach = size // 2
    padded = F.pad(x, (reach, reach) if dim == 3 else (0, 0, reach, reach))
    moved = [
        group.narrow(dim, reach - distance, x.shape[dim])
        for distance, group in zip(
            range(-reach, reach + 1), padded.chunk(size, dim=1), strict=False
        )
    ]
    return torch.cat(moved, dim=1)


class TokenizedShiftedMLP(nn.Module):
    """Tokenized shifted MLP of UNeXt: a perceptron per position that sees shifted channels.

    Five groups of channels are shifted along the height, every position passes a fully connected
    layer, and a depthwise 3x3 convolution tells it where it is; then the same channels are
    shifted along the width and pass a second layer onto a residual.

    Source: UNeXt (MICCAI 2022, arXiv 2203.04967), Section 2, equations (1) to (4). As in the
    authors' code, followed here, the height comes before the width, layer normalization before
    the block instead of after it, and GELU between the convolution and the second shift.

    Args:
        in_chans: Channels C_in.
        out_chans: Channels C_out; ``in_chans`` by default. Where it differs, a 1x1 convolution
            follows the block.
        expansion: Hidden channels per channel of the input.
        shift_size: Odd number of groups; they move by up to half of it.

    Raises:
        ValueError: If ``shift_size`` is even, or ``shift_size`` or ``expansion`` below 1.

    Shape:
        (B, C_in, H, W) -> (B, C_out, H, W), floating point, any H and W.

    Example:
        >>> TokenizedShiftedMLP(16, 24)(torch.randn(2, 16, 8, 9)).shape
        torch.Size([2, 24, 8, 9])
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int | None = None,
        *,
        expansion: int = 1,
        shift_size: int = 5,
    ) -> None:
        super().__init__()
        require_odd("shift_size", shift_size)
        require_whole("expansion", expansion)
        out_chans = output_channels(in_chans, out_chans)
        hidden = expansion * in_chans
        self.shift_size = shift_size
        self.norm = LayerNorm2d(in_chans, eps=1e-5)
        self.expand = nn.Conv2d(in_chans, hidden, 1)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.reduce = nn.Conv2d(hidden, in_chans, 1)
        self.project = nn.Identity() if in_chans == out_chans else nn.Conv2d(in_chans, out_chans, 1)
        self._init_as_the_authors()

    def _init_as_the_authors(self) -> None:
        for layer in (self.expand, self.reduce):
            nn.init.trunc_normal_(layer.weight, std=0.02)
        nn.init.normal_(self.depthwise.weight, std=math.sqrt(2 / 9))
        for layer in (self.expand, self.depthwise, self.reduce):
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``x`` (B, C_in, H, W) to (B, C_out, H, W)."""
        tokens = shift(self.norm(x), 2, self.shift_size)  # (1)
        y = F.gelu(self.depthwise(self.expand(tokens)))  # (2)
        tokens = shift(y, 3, self.shift_size)  # (3)
        projected: torch.Tensor = self.project(x + self.reduce(tokens))  # (4)
        return projected
