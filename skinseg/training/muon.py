"""Muon: steps whose matrices are orthogonal."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

Closure = Callable[[], float]

# Of Newton and Schulz's iteration: those of Jordan et al. 2024, which bring every singular value
# near 1 in few steps, and none exactly.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
# The root mean square of AdamW's updates (arXiv 2502.16982, Section 2.2).
RMS = 0.2


class Muon(torch.optim.Optimizer):
    """Muon (Jordan et al. 2024): momentum, made orthogonal, at the scale of AdamW's updates.

    With the scale of Liu et al. 2025 (arXiv 2502.16982, Section 2.2), learning rates and weight
    decays of AdamW hold. A kernel (out, in, h, w) is the matrix (out, in * h * w).
    :class:`torch.optim.Muon` takes weights of two dimensions alone.

    Args:
        params: Weights of two dimensions or more.
        lr: Learning rate.
        weight_decay: Decoupled, as AdamW's.
        momentum: Decay of the momentum, which is Nesterov's.

    Example:
        >>> conv = nn.Conv2d(3, 8, 3, bias=False)
        >>> optimizer = Muon(conv.parameters(), lr=0.01)
        >>> conv(torch.ones(1, 3, 5, 5)).sum().backward()
        >>> optimizer.step()
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float = 1e-3,
        weight_decay: float = 0.01,
        momentum: float = 0.95,
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> float | None:  # type: ignore[override]
        """Move every matrix; all of one shape together, since each of them is small.

        Args:
            closure: Computes the loss and its gradients again, as for every optimizer of torch.

        Returns:
            What ``closure`` returned.
        """
        loss = _evaluated(closure)
        for group in self.param_groups:
            shapes: dict[torch.Size, list[nn.Parameter]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    shapes.setdefault(weight.flatten(1).shape, []).append(weight)
            for weights in shapes.values():
                self._move(weights, group)
        return loss

    def _move(self, weights: list[nn.Parameter], group: dict[str, Any]) -> None:
        """Move weights of one shape, by matrices (weights, rows, columns)."""
        ahead = []
        for weight in weights:
            assert weight.grad is not None
            state = self.state[weight]
            if not state:
                state["momentum"] = torch.zeros_like(weight)
            momentum = state["momentum"]
            momentum.mul_(group["momentum"]).add_(weight.grad)
            ahead.append(weight.grad.add(momentum, alpha=group["momentum"]).flatten(1))
        updates = orthogonalized(torch.stack(ahead))
        scale = RMS * max(updates.shape[1:]) ** 0.5
        for weight, update in zip(weights, updates, strict=True):
            weight.mul_(1 - group["lr"] * group["weight_decay"])
            weight.sub_(update.view_as(weight), alpha=scale * group["lr"])


def orthogonalized(matrices: torch.Tensor) -> torch.Tensor:
    """Return matrices with the same singular vectors, and singular values about 1.

    Args:
        matrices: Floating point (N, rows, columns).

    Returns:
        (N, rows, columns).

    Example:
        >>> both = orthogonalized(torch.tensor([[[3.0, 0.0], [0.0, 0.5]]]))
        >>> bool((both.diagonal(dim1=1, dim2=2) - 1).abs().max() < 0.4)
        True
    """
    a, b, c = COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x: torch.Tensor = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.mT if tall else x


class MuonWithAdamW(torch.optim.Optimizer):
    """Muon for the weights that are matrices, AdamW for biases, norms and other vectors.

    Args:
        params: All weights of a network.
        lr: Learning rate of both.
        weight_decay: Of both.

    Example:
        >>> import skinseg
        >>> optimizer = MuonWithAdamW(skinseg.create_model("egeunet").parameters(), lr=3e-3)
        >>> [type(part).__name__ for part in optimizer.parts]
        ['Muon', 'AdamW']
    """

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float = 1e-3, weight_decay: float = 0.01
    ) -> None:
        given = list(params)
        matrices = [weight for weight in given if _is_matrix(weight)]
        others = [weight for weight in given if not _is_matrix(weight)]
        self.parts: list[torch.optim.Optimizer] = []
        if matrices:
            self.parts.append(Muon(matrices, lr=lr, weight_decay=weight_decay))
        if others:
            adamw = torch.optim.AdamW(others, lr=lr, weight_decay=weight_decay, fused=True)
            self.parts.append(adamw)
        super().__init__(given, {"lr": lr, "weight_decay": weight_decay})
        self._share_groups()

    def step(self, closure: Closure | None = None) -> float | None:  # type: ignore[override]
        """Take a step of both; argument and result as in :meth:`Muon.step`."""
        loss = _evaluated(closure)
        for part in self.parts:
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """State of both."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        for part, own in zip(self.parts, state["parts"], strict=True):
            part.load_state_dict(own)
        self._share_groups()

    def _share_groups(self) -> None:
        """Let whoever sets a learning rate set that of the parts."""
        self.param_groups = [group for part in self.parts for group in part.param_groups]


def _evaluated(closure: Closure | None) -> float | None:
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()


def _is_matrix(weight: torch.Tensor) -> bool:
    return weight.ndim > 1 and min(weight.flatten(1).shape) > 1
