"""Memory that a forward pass takes."""

from typing import Any

import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


# What torch leaves without types is marked: the mode's hooks and the weak reference to a storage.
class _LiveMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the storages that operators return, and the largest sum of those alive."""

    def __init__(self, x: torch.Tensor, ignored: set[int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._ignored = ignored
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self._add(x)

    def _add(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._ignored:
            reference = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
            self._alive[storage._cdata] = (reference, storage.nbytes())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._add(tensor)
        self._alive = {
            key: (reference, size)
            for key, (reference, size) in self._alive.items()
            if not reference.expired()  # type: ignore[no-untyped-call]
        }
        self.peak = max(self.peak, sum(size for _, size in self._alive.values()))
        return result


def peak_activation(model: nn.Module, x: torch.Tensor) -> int:
    """Largest sum, in bytes, of the sizes of tensors that live at one time in a forward pass."""
    weights = {tensor.untyped_storage()._cdata for tensor in model.state_dict().values()}
    memory = _LiveMemory(x, ignored=weights)
    with memory:
        model(x)
    return memory.peak
