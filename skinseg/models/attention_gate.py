import torch
from torch import nn

from skinseg.models.conv_norm import ConvNorm


class AttentionGate(nn.Module):
    """Additive attention gate: the decoder's map says which positions of a skip matter.

    Source: Oktay et al., MIDL 2018 (arXiv 1804.03999), Section 2.2. As in the public
    implementations, both maps have the same size, so that nothing is resampled, and each
    convolution has a BatchNorm.

    Args:
        gate_chans: Channels F_g of the decoder's map.
        skip_chans: Channels F_l of the skip.
        hidden_chans: Channels F_int in which the two are compared.

    Shape:
        gate (B, F_g, H, W), skip (B, F_l, H, W) -> (B, F_l, H, W), floating point.

    Example:
        >>> gate, skip = torch.randn(2, 8, 5, 5), torch.randn(2, 4, 5, 5)
        >>> AttentionGate(8, 4, 2)(gate, skip).shape
        torch.Size([2, 4, 5, 5])
    """

    def __init__(self, gate_chans: int, skip_chans: int, hidden_chans: int) -> None:
        super().__init__()
        self.gate = ConvNorm(gate_chans, hidden_chans, 1, bias=True, act=False)
        self.skip = ConvNorm(skip_chans, hidden_chans, 1, bias=True, act=False)
        self.attention = ConvNorm(hidden_chans, 1, 1, bias=True, act=False)

    def forward(self, gate: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Weigh the positions of ``skip`` (B, F_l, H, W) by ``gate`` (B, F_g, H, W)."""
        # Eq. 1: q = psi(relu(W_x x + W_g g)); eq. 2: alpha = sigmoid(q).
        logits: torch.Tensor = self.attention((self.gate(gate) + self.skip(skip)).relu())
        return skip * logits.sigmoid()
