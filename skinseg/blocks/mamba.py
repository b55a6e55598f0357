import math

import torch
from einops import rearrange
from torch import nn
from torch.nn import functional as F

from skinseg.arguments import require_whole
from skinseg.blocks.channels import output_channels
from skinseg.blocks.selective_scan import selective_scan


class Mamba(nn.Module):
    """Mamba layer: a selective state space along the positions of a map, row by row.

    The map is read as a sequence, from left to right and from the top down. A causal depthwise
    convolution looks at the last positions, and a state that each position may write to, keep or
    forget carries what was seen before them. The scan runs in parallel; see
    :func:`skinseg.blocks.selective_scan.selective_scan`.

    Source: Gu and Dao (arXiv 2312.00752), Section 3 and Figure 3.

    Args:
        in_chans: Channels C_in.
        out_chans: Channels C_out; ``in_chans`` by default. Where it differs, a 1x1 convolution
            follows the block.
        groups: Number of equal slices of the channels that each pass a layer of their own, side
            by side.
        state_size: States N per channel.
        kernel_size: Positions that the causal convolution sees.
        expansion: Inner channels per channel of the input.

    Raises:
        ValueError: If ``groups`` does not divide C_in, or ``state_size``, ``kernel_size`` or
            ``expansion`` is below 1.

    Shape:
        (B, C_in, H, W) -> (B, C_out, H, W), floating point, any H and W.

    Example:
        >>> Mamba(16, 24)(torch.randn(2, 16, 8, 9)).shape
        torch.Size([2, 24, 8, 9])
    """

    def __init__(
        self,
        in_chans: int,
        out_chans: int | None = None,
        *,
        groups: int = 1,
        state_size: int = 16,
        kernel_size: int = 4,
        expansion: int = 2,
    ) -> None:
        super().__init__()
        if groups < 1 or in_chans % groups:
            raise ValueError(f"groups must divide the {in_chans} channels, not be {groups!r}")
        out_chans = output_channels(in_chans, out_chans)
        require_whole("state_size", state_size)
        require_whole("kernel_size", kernel_size)
        inner = require_whole("expansion", expansion) * in_chans
        rank = math.ceil(in_chans / groups / 16)
        self.groups = groups
        self.sizes = [rank, state_size, state_size]
        self.enter = nn.Conv1d(in_chans, 2 * inner, 1, groups=groups, bias=False)
        self.causal = nn.Conv1d(inner, inner, kernel_size, padding=kernel_size - 1, groups=inner)
        self.select = nn.Conv1d(inner, groups * sum(self.sizes), 1, groups=groups, bias=False)
        self.step = nn.Conv1d(groups * rank, inner, 1, groups=groups)
        self.log_rates = nn.Parameter(torch.empty(groups, inner // groups, state_size))
        self.skip = nn.Parameter(torch.ones(inner))
        self.leave = nn.Conv1d(inner, in_chans, 1, groups=groups, bias=False)
        self.project = nn.Identity() if in_chans == out_chans else nn.Conv2d(in_chans, out_chans, 1)
        self._init_as_the_authors()

    def _init_as_the_authors(self) -> None:
        with torch.no_grad():
            # Rates of decay 1 to N, and steps between 0.001 and 0.1, uniform in their logarithm.
            self.log_rates.copy_(torch.arange(1, self.log_rates.shape[-1] + 1).log())
            nn.init.uniform_(self.step.weight, -(self.sizes[0] ** -0.5), self.sizes[0] ** -0.5)
            bias = self.step.get_parameter("bias")
            steps = torch.empty_like(bias).uniform_(math.log(0.001), math.log(0.1)).exp()
            bias.copy_(steps.expm1().log())  # the inverse of softplus

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``x`` (B, C_in, H, W) to (B, C_out, H, W)."""
        height, width = x.shape[-2:]
        entered = self.enter(x.flatten(2))
        tokens, gate = rearrange(entered, "b (g two d) l -> two b (g d) l", two=2, g=self.groups)
        tokens = F.silu(self.causal(tokens)[..., : height * width])  # Figure 3: looks back only
        selected = self._split(self.select(tokens))
        step, write, read = torch.split(selected, self.sizes, dim=2)
        step = F.softplus(self.step(step.flatten(1, 2)))  # Section 3: Delta, B, C depend on x
        scanned = selective_scan(
            self._split(tokens), self._split(step), -self.log_rates.exp(), write, read
        )
        scanned = scanned.flatten(1, 2) + self.skip[:, None] * tokens
        y = self.leave(scanned * F.silu(gate)).unflatten(-1, (height, width))  # Figure 3: the gate
        projected: torch.Tensor = self.project(y)
        return projected

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return rearrange(x, "b (g c) l -> b g c l", g=self.groups)
