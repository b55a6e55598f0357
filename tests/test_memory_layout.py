"""Blocks keep the memory layout of their maps, forward and backward."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from skinseg.blocks import create_block
from skinseg.blocks.memory_layout import add_gates, mean

LAYOUTS = (torch.contiguous_format, torch.channels_last)
SHAPE = (2, 16, 12, 10)


def layout(x: torch.Tensor) -> torch.memory_format | None:
    """The layout of a map; None where it has none, or could be said to have either."""
    found = [memory for memory in LAYOUTS if x.is_contiguous(memory_format=memory)]
    return found[0] if x.ndim == 4 and len(found) == 1 else None


class _Joins(TorchDispatchMode):
    """Names of the operations that join maps of different layouts; oneDNN's bring their own."""

    def __init__(self) -> None:
        super().__init__()
        self.mixed: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        maps = [leaf for leaf in tree_leaves(args) if isinstance(leaf, torch.Tensor)]
        if len({layout(x) for x in maps} - {None}) > 1 and "convolution" not in str(func):
            self.mixed.append(str(func))
        return func(*args, **(kwargs or {}))


@contextmanager
def mixed_joins() -> Iterator[list[str]]:
    with _Joins() as joins:
        yield joins.mixed


@pytest.mark.parametrize("memory", LAYOUTS)
def test_sum_of_gates_has_the_layout_of_the_map(memory: torch.memory_format) -> None:
    x = torch.randn(SHAPE).contiguous(memory_format=memory)
    by_channel, by_position = torch.rand(2, 16, 1, 1), torch.rand(2, 1, 12, 10)
    gate = add_gates(by_channel, by_position, x)
    assert layout(gate) == memory
    assert torch.equal(gate, by_channel + by_position)


@pytest.mark.parametrize("dims", [(1,), (2, 3)])
def test_mean_and_its_gradient_are_those_of_torch(dims: tuple[int, ...]) -> None:
    x = torch.randn(SHAPE, requires_grad=True)
    true, found = x.mean(dims, keepdim=True), mean(x, dims, keepdim=True, training=True)
    weights = torch.randn_like(true)
    torch.testing.assert_close(found, true)
    torch.testing.assert_close(
        *(torch.autograd.grad((m * weights).sum(), x) for m in (found, true))
    )


def test_mean_of_half_precision_does_not_overflow() -> None:
    x = torch.full((1, 1, 64, 64), 60000.0, dtype=torch.float16)
    assert mean(x, (2, 3), training=True).isfinite().all()


def test_scan_sees_maps_of_two_layouts() -> None:
    x = torch.randn(SHAPE)
    with mixed_joins() as mixed:
        x * x.contiguous(memory_format=torch.channels_last)
    assert mixed == ["aten.mul.Tensor"]


@pytest.mark.parametrize("name", ["ecdf", "sab"])
def test_blocks_train_without_mixing_layouts(name: str) -> None:
    torch.manual_seed(0)
    block = create_block(name, SHAPE[1]).train().to(memory_format=torch.channels_last)
    x = torch.randn(SHAPE).contiguous(memory_format=torch.channels_last).requires_grad_()
    with mixed_joins() as mixed:
        y = block(x)
        y.backward(torch.randn(SHAPE).contiguous(memory_format=torch.channels_last))
    assert layout(y) == torch.channels_last
    assert not mixed
