import torch
from einops import rearrange
from torch import nn
from torch.nn import functional as F

from skinseg.arguments import require_whole
from skinseg.blocks.channels import norm_groups, output_channels


class ExternalAttention(nn.Module):
    """External Attention (EA): attention to a small memory that all images share.

    Every position is compared with the ``memory_units`` learned keys, normalized twice (softmax
    over positions, then a division by the sum over the memory), and rebuilt from as many learned
    values.

    Source: Guo et al., "Beyond self-attention" (arXiv 2105.02358): A = Norm(F M_k^T) and
    F_out = A M_v, with 64 units as MALUNet's Table IV (arXiv 2211.01784) uses it. MALUNet's authors
    construct the two memories as one tensor and its transposed view, a tie that the first move to a
    GPU breaks; here they are two parameters.

    Args:
        in_chans: Channels C_in.
        out_chans: Channels C_out; ``in_chans`` by default. Where it differs, a 1x1 convolution
            follows the block.
        memory_units: Number of learned keys and values.

    Raises:
        ValueError: If ``memory_units`` is below 1.

    Shape:
        (B, C_in, H, W) -> (B, C_out, H, W), floating point, any H and W.

    Example:
        >>> ExternalAttention(16)(torch.randn(2, 16, 8, 8)).shape
        torch.Size([2, 16, 8, 8])
    """

    def __init__(
        self, in_chans: int, out_chans: int | None = None, *, memory_units: int = 64
    ) -> None:
        super().__init__()
        out_chans = output_channels(in_chans, out_chans)
        require_whole("memory_units", memory_units)
        self.query = nn.Conv2d(in_chans, in_chans, 1)
        self.memory_keys = nn.Conv1d(in_chans, memory_units, 1, bias=False)
        self.memory_values = nn.Conv1d(memory_units, in_chans, 1, bias=False)
        self.output = nn.Conv2d(in_chans, in_chans, 1, bias=False)
        self.norm = nn.GroupNorm(norm_groups(in_chans), in_chans)
        self.project = nn.Identity() if in_chans == out_chans else nn.Conv2d(in_chans, out_chans, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``x`` (B, C_in, H, W) to (B, C_out, H, W)."""
        height, width = x.shape[-2:]
        query = rearrange(self.query(x), "b c h w -> b c (h w)")
        attention = self.memory_keys(query).softmax(dim=-1)  # A, normalized over positions
        # In float16, 1e-9 is 0, and so are the attentions of a position that no key recalls.
        smallest = max(1e-9, torch.finfo(attention.dtype).tiny)
        attention = attention / (smallest + attention.sum(dim=1, keepdim=True))  # over the memory
        recalled = self.memory_values(attention)  # A M_v
        recalled = rearrange(recalled, "b c (h w) -> b c h w", h=height, w=width)
        attended: torch.Tensor = F.gelu(x + self.norm(self.output(recalled)))
        projected: torch.Tensor = self.project(attended)
        return projected
