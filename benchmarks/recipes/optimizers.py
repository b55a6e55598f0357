"""Optimizers that were tried and are none of the package's; each is made of a network.

The recipe's learning rate is AdamW's: groups scale it to what the optimizer needs.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

# Lion's updates are signs, larger than AdamW's: a fraction of the rate, and the decay over it.
LION_FRACTION = 0.2
WEIGHT_DECAY = 0.01


class Lion(torch.optim.Optimizer):
    """Lion, "evolved sign momentum" (Chen et al. 2023, arXiv 2302.06675, Algorithm 2).

    Args:
        groups: Parameters or groups of them.
        weight_decay: Decoupled, as AdamW's.
        betas: Of the update and of the momentum.
    """

    def __init__(
        self, groups: Any, weight_decay: float = 0.0, betas: tuple[float, float] = (0.9, 0.99)
    ) -> None:
        super().__init__(groups, {"lr": 1e-4, "weight_decay": weight_decay, "betas": betas})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every parameter by the sign of its update."""
        for group in self.param_groups:
            update_beta, momentum_beta = group["betas"]
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                momentum = state.setdefault("momentum", torch.zeros_like(weight))
                update = momentum.lerp(weight.grad, 1 - update_beta).sign_()
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.sub_(update, alpha=group["lr"])
                momentum.lerp_(weight.grad, 1 - momentum_beta)


def lion(network: nn.Module) -> Lion:
    """Lion for all parameters."""
    group = {"params": list(network.parameters()), "lr_scale": LION_FRACTION}
    return Lion([group], weight_decay=WEIGHT_DECAY / LION_FRACTION)


OPTIMIZERS: dict[str, Callable[[nn.Module], torch.optim.Optimizer]] = {"lion": lion}
