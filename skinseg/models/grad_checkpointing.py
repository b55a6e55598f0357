"""Activations that are computed again in the backward pass instead of kept."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

Given = TypeVar("Given")
Result = TypeVar("Result")


def checkpointed(part: Callable[[Given], Result], given: Given, network: nn.Module) -> Result:
    """Return ``part(given)``; what its backward pass needs is computed again then.

    Args:
        part: A part of the network.
        given: Tensor or list of tensors.
        network: The network; its BatchNorms count what they have seen once, not twice.

    Example:
        >>> x = torch.ones(1, requires_grad=True)
        >>> checkpointed(torch.exp, x, nn.Identity()).backward()
        >>> torch.equal(x.grad, x.exp())
        True
    """
    if torch.compiler.is_compiling():
        # What torch.compile recomputes changes no statistics, and it knows no contexts.
        compiled: Result = checkpoint(part, given, use_reentrant=False)
        return compiled
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.training]

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _statistics_kept(norms)

    result: Result = checkpoint(part, given, use_reentrant=False, context_fn=contexts)
    return result


@contextmanager
def _statistics_kept(norms: list[_BatchNorm]) -> Iterator[None]:
    """Let BatchNorms normalize by the batch without adding it to their running statistics."""
    before = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, momentum, seen in before:
            norm.momentum, norm.num_batches_tracked = momentum, seen
