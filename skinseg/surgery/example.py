"""What a network is run with: positional and keyword arguments, and the same with larger images."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_map

from skinseg.surgery.trace import Trace, tensors, trace

# Multiples of the first size: what divides it divides these, and a square becomes none.
_LARGER = (2, 3)


@dataclasses.dataclass(frozen=True)
class Example:
    """Arguments of a network.

    Attributes:
        args: The positional arguments.
        kwargs: The keyword arguments.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the first tensor."""
        return tuple(next(iter(tensors((self.args, self.kwargs))), torch.empty(0)).shape)

    def larger(self) -> "Example":
        """Return the same with every image and map twice as high and three times as wide."""
        return Example(_enlarged(self.args), _enlarged(self.kwargs))

    def trace(self, model: nn.Module) -> Trace:
        """Run a network with it in evaluation mode, and record it."""
        return trace(model, self.args, self.kwargs)

    def run(self, model: nn.Module) -> Any:
        """Return what a network gives for it."""
        return model(*self.args, **self.kwargs)


def make_example(example_input: Any, example_kwargs: Mapping[str, Any] | None) -> Example:
    """Return the arguments that a caller means; a sequence stands for several.

    Raises:
        TypeError: If there is no tensor among them, or the keywords are no mapping.
    """
    several = isinstance(example_input, Sequence) and not isinstance(example_input, str)
    if example_input is None:
        args: tuple[Any, ...] = ()
    else:
        args = tuple(example_input) if several else (example_input,)
    if example_kwargs is not None and not isinstance(example_kwargs, Mapping):
        raise TypeError(f"example_kwargs must be a mapping, not {type(example_kwargs).__name__}")
    example = Example(args, dict(example_kwargs or {}))
    if not tensors((example.args, example.kwargs)):
        raise TypeError(
            "there is no tensor to run the network with: give example_input, example_kwargs or both"
        )
    return example


def _enlarged(tree: Any) -> Any:
    def leaf(value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or value.dim() < 3:
            return value
        high, wide = _LARGER
        return value.repeat_interleave(high, -2).repeat_interleave(wide, -1)

    return tree_map(leaf, tree)
