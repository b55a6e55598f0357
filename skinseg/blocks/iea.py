from skinseg.arguments import require_whole
from skinseg.blocks.ea import ExternalAttention


class InvertedExternalAttention(ExternalAttention):
    """Inverted External Attention (IEA): external attention whose memory is wider than the map.

    Source: MALUNet (BIBM 2022, arXiv 2211.01784), Section III. External attention narrows to 64
    memory units; this one widens to ``expansion`` times the channels, as an inverted bottleneck
    does.

    Args:
        in_chans: Channels C_in.
        out_chans: Channels C_out; ``in_chans`` by default. Where it differs, a 1x1 convolution
            follows the block.
        expansion: Memory units per channel.

    Raises:
        ValueError: If ``expansion`` is below 1.

    Shape:
        (B, C_in, H, W) -> (B, C_out, H, W), floating point, any H and W.

    Example:
        >>> import torch
        >>> InvertedExternalAttention(16, 24)(torch.randn(2, 16, 8, 8)).shape
        torch.Size([2, 24, 8, 8])
    """

    def __init__(self, in_chans: int, out_chans: int | None = None, *, expansion: int = 4) -> None:
        # Section III: two memory units of expansion * C, where external attention has 64.
        memory_units = require_whole("expansion", expansion) * in_chans
        super().__init__(in_chans, out_chans, memory_units=memory_units)
