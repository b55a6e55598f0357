"""A network of torch, run as it is."""

import contextlib
import copy
import itertools
import os
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from skinseg.hub import channels_in, record_in
from skinseg.unwrap import unwrapped


class TorchRuntime:
    """Runs a module in evaluation mode and leaves no trace on it.

    While the module runs, all its parts are in evaluation mode; afterwards each part is in the
    mode that it was in. It sees the weights that it has at the time of the call, so that it may be
    trained between two calls, though not during one. Batches come to it in its own precision. In a
    process that was forked it runs on one thread: those of torch are not there.

    Args:
        network: Maps (B, C, h, w) to a tensor of logits.
        device: Where to run it; None for where its parameters are. A network that is elsewhere is
            not moved: a copy of it, as it is now, runs there.

    Attributes:
        network: The module, or its copy on the device.
        record, in_chans, num_classes, size, device: As :class:`~skinseg.runtimes.Runtime` has them.

    Raises:
        TypeError: If ``network`` is no module.

    Example:
        >>> network = nn.Conv2d(3, 1, 1)
        >>> runtime = TorchRuntime(network)
        >>> runtime(np.zeros((2, 3, 32, 32), np.float32)).shape, network.training
        ((2, 1, 32, 32), True)
    """

    def __init__(self, network: nn.Module, device: str | torch.device | None = None) -> None:
        if not isinstance(network, nn.Module):
            raise TypeError(
                f"model must be a name or a torch.nn.Module, not {type(network).__name__}"
            )
        own = _device_of(network)
        # Through a tensor, as "cuda" is one of several devices with a number.
        asked = own if device is None else torch.empty(0, device=device).device
        # A network without tensors is at home everywhere.
        moved = own is not None and own != asked
        self.network = copy.deepcopy(network).to(asked) if moved else network
        self._device = asked or torch.device("cpu")
        self.device = str(self._device)
        self.record = record_in(network)
        self.in_chans = channels_in(network)
        self.num_classes: int | None = getattr(unwrapped(network), "num_classes", None)
        self.size: tuple[int, int] | None = None
        self._process = os.getpid()

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Return the logits of a batch; both are float32 (B, C, h, w)."""
        if self._process != os.getpid():
            # torch's threads stay behind in the process that was forked, and waiting for them
            # would never end.
            torch.set_num_threads(1)
            self._process = os.getpid()
        x = torch.from_numpy(batch).to(self._device, _precision_of(self.network))
        # Not in inference mode: a tensor that the module keeps for later could not be trained on.
        with _evaluating(self.network), torch.no_grad():
            logits: Any = self.network(x)
        if not isinstance(logits, torch.Tensor):
            raise ValueError(
                f"the network returned {type(logits).__name__}, not a tensor of logits; wrap it "
                "in a module that returns its logits alone"
            )
        array: np.ndarray = logits.detach().float().cpu().numpy()
        return array


def _device_of(network: nn.Module) -> torch.device | None:
    tensors = itertools.chain(network.parameters(), network.buffers())
    return next((tensor.device for tensor in tensors), None)


def _precision_of(network: nn.Module) -> torch.dtype:
    """The type of numbers that a network computes with, by its first tensor of such a type."""
    tensors = itertools.chain(network.parameters(), network.buffers())
    return next((t.dtype for t in tensors if t.is_floating_point()), torch.float32)


class _Modes:
    """Which parts of a network are in training mode when no thread runs it."""

    def __init__(self) -> None:
        self.running = 0
        self.training: list[nn.Module] = []


# One entry per network, not per runtime: two predictors may hold the same network.
_modes: weakref.WeakKeyDictionary[nn.Module, _Modes] = weakref.WeakKeyDictionary()
_modes_lock = threading.Lock()


@contextlib.contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Put all parts in evaluation mode, and back when no thread runs the network any more."""
    with _modes_lock:
        modes = _modes.setdefault(network, _Modes())
        if not modes.running:
            modes.training = [part for part in network.modules() if part.training]
        modes.running += 1
        # By the flag alone: `eval` may be overridden to do more.
        for part in modes.training:
            part.training = False
    try:
        yield
    finally:
        with _modes_lock:
            modes.running -= 1
            if not modes.running:
                for part in modes.training:
                    part.training = True
                modes.training = []
