from typing import Any

import torch
from torch import nn

# Up to here, while it learns on a CPU, the arithmetic beats torch's kernel, which takes position
# after position and for maps this narrow uses neither wide instructions nor several threads.
_FEW_CHANNELS = 16


class LayerNorm2d(nn.LayerNorm):
    """Layer normalization over the channels of a feature map, at each position separately.

    Args:
        num_channels: Number of channels C.
        eps: Added to the variance. EGE-UNet uses 1e-6.

    Shape:
        (B, C, H, W) -> (B, C, H, W), floating point.

    Example:
        >>> y = LayerNorm2d(8)(torch.randn(2, 8, 5, 5))
        >>> bool(y.mean(1).abs().max() < 1e-5)
        True
    """

    def __init__(self, num_channels: int, eps: float = 1e-6) -> None:
        super().__init__(num_channels, eps=eps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalize ``x`` (B, C, H, W) over C."""
        if self.training:
            if x.device.type == "cpu" and x.shape[1] < _FEW_CHANNELS:
                few: torch.Tensor = _NormalizeFew.apply(  # type: ignore[no-untyped-call]  # torch's own
                    x, self.weight, self.bias, self.eps
                )[0]
                return few
            # One pass forward and one back, in place of the nine and twenty below.
            return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        # Written out, because this rounds as the authors' code does, which decides where the
        # channels of a position are nearly equal.
        centered = x - x.mean(1, keepdim=True)
        deviation = (centered.pow(2).mean(1, keepdim=True) + self.eps).sqrt()
        return self.weight[:, None, None] * (centered / deviation) + self.bias[:, None, None]


class _NormalizeFew(torch.autograd.Function):
    """The same with its gradient, each in as few passes over the map as there can be."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        centered = x - x.mean(1, keepdim=True)
        scale = centered.square().mean(1, keepdim=True).add_(eps).rsqrt_()
        normalized = centered.mul_(scale)
        y = torch.addcmul(bias[:, None, None], normalized, weight[:, None, None])
        # The gradient is of these two as well; as results they can be differentiated again.
        return y, normalized, scale

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
        ctx.save_for_backward(inputs[1], *output[1:])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(
        ctx: Any,
        grad: torch.Tensor | None,
        grad_normalized: torch.Tensor | None,
        grad_scale: torch.Tensor | None,
    ) -> tuple[torch.Tensor | None, ...]:
        weight, normalized, scale = ctx.saved_tensors
        if grad is None:
            grad = torch.zeros_like(normalized)
        product = grad * normalized
        grad_weight, grad_bias = product.sum((0, 2, 3)), grad.sum((0, 2, 3))
        scaled = grad * weight[:, None, None]
        # Neither the mean of a position's channels nor their spread reaches the result.
        spread = product.mul_(weight[:, None, None]).mean(1, keepdim=True)
        # These two come from a second derivative alone.
        if grad_normalized is not None:
            scaled = scaled + grad_normalized
            spread = spread + (grad_normalized * normalized).mean(1, keepdim=True)
        if grad_scale is not None:
            spread = spread + grad_scale * scale / normalized.shape[1]
        scaled.sub_(scaled.mean(1, keepdim=True)).addcmul_(normalized, spread, value=-1)
        return scaled.mul_(scale), grad_weight, grad_bias, None
