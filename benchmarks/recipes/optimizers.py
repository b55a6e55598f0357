"""Optimizers that were tried in place of AdamW; each makes one of a network.

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


class Muon(torch.optim.Optimizer):
    """Muon: momentum made orthogonal, at AdamW's scale (Liu et al. 2025, arXiv 2502.16982).

    Args:
        groups: Parameters of two dimensions or more; a kernel is the matrix of its output channels.
        weight_decay: Decoupled, as AdamW's.
        momentum: Decay of the momentum, which is Nesterov's.
    """

    def __init__(self, groups: Any, weight_decay: float = 0.0, momentum: float = 0.95) -> None:
        super().__init__(groups, {"lr": 1e-3, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every matrix by its momentum, made orthogonal."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                momentum = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
                momentum.mul_(group["momentum"]).add_(weight.grad)
                ahead = weight.grad + group["momentum"] * momentum
                update = orthogonalized(ahead.flatten(1)).view_as(weight)
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                # The root mean square that AdamW's updates have (Section 2.2).
                side = max(ahead.flatten(1).shape)
                weight.sub_(update, alpha=0.2 * side**0.5 * group["lr"])


def orthogonalized(matrix: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """The nearest matrix of orthogonal rows, roughly, by Newton and Schulz's iteration.

    Args:
        matrix: (rows, columns).
        steps: Of the iteration, with the coefficients of Jordan et al. 2024.

    Returns:
        (rows, columns), singular values about 1.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x.T if tall else x


class MuonWithAdamW(torch.optim.Optimizer):
    """Muon for kernels, AdamW for what has one dimension, as one optimizer.

    Args:
        network: Whose parameters are learned.
        weight_decay: Of both.
    """

    def __init__(self, network: nn.Module, weight_decay: float) -> None:
        learned = [weight for weight in network.parameters() if weight.requires_grad]
        matrices = [weight for weight in learned if _is_matrix(weight)]
        others = [weight for weight in learned if not _is_matrix(weight)]
        self.parts = (
            Muon(matrices, weight_decay=weight_decay),
            torch.optim.AdamW(others, weight_decay=weight_decay),
        )
        super().__init__(learned, {})
        # The groups are those of the parts: one learning rate is set for both.
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take a step of both."""
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """State of both."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        for part, own in zip(self.parts, state["parts"], strict=True):
            part.load_state_dict(own)
        self.param_groups = [group for part in self.parts for group in part.param_groups]


def _is_matrix(weight: torch.Tensor) -> bool:
    return weight.ndim > 1 and min(weight.flatten(1).shape) > 1


def lion(network: nn.Module) -> Lion:
    """Lion for all parameters."""
    group = {"params": list(network.parameters()), "lr_scale": LION_FRACTION}
    return Lion([group], weight_decay=WEIGHT_DECAY / LION_FRACTION)


def muon(network: nn.Module) -> MuonWithAdamW:
    """Muon for kernels, AdamW for the rest."""
    return MuonWithAdamW(network, WEIGHT_DECAY)


OPTIMIZERS: dict[str, Callable[[nn.Module], torch.optim.Optimizer]] = {"lion": lion, "muon": muon}
