"""Counters of multiply-accumulates, each by its name."""

import copy
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from skinseg.complexity.evaluation_mode import evaluation_mode
from skinseg.errors import MissingPackageError
from skinseg.names import near_matches


def torch_flops(model: nn.Module, x: torch.Tensor) -> Mapping[str, Mapping[Any, int]]:
    """Operations by module name, as torch counts them: two per multiply-accumulate."""
    counter = FlopCounterMode(display=False)
    with counter:
        model(x)
    return counter.get_flop_counts()


def _torch_macs(model: nn.Module, x: torch.Tensor) -> int:
    return sum(torch_flops(model, x).get("Global", {}).values()) // 2


def _thop(model: nn.Module, x: torch.Tensor) -> tuple[float, float]:
    """Multiply-accumulates and parameters."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "distutils", DeprecationWarning)
        from thop import profile

        counted: tuple[float, float] = profile(copy.deepcopy(model), (x,), verbose=False)
        return counted


def _thop_macs(model: nn.Module, x: torch.Tensor) -> int:
    return int(_thop(model, x)[0])


def thop_parameters(model: nn.Module, input_size: Sequence[int] = (3, 256, 256)) -> int:
    """Count parameters as thop does: without GroupNorm's, and without bare tensors.

    Raises:
        ModuleNotFoundError: If thop is not installed.
    """
    with evaluation_mode(model):
        return int(_thop(model, torch.rand(1, *input_size))[1])


def _ptflops_macs(backend: str) -> Callable[[nn.Module, torch.Tensor], int]:
    def count(model: nn.Module, x: torch.Tensor) -> int:
        from ptflops import get_model_complexity_info

        with redirect_stdout(io.StringIO()):
            macs, _ = get_model_complexity_info(
                copy.deepcopy(model),
                tuple(x.shape[1:]),
                as_strings=False,
                print_per_layer_stat=False,
                backend=backend,
                input_constructor=lambda _: x,
            )
        return int(macs)

    return count


COUNTERS: dict[str, Callable[[nn.Module, torch.Tensor], int]] = {
    "torch": _torch_macs,
    "thop": _thop_macs,
    "ptflops-pytorch": _ptflops_macs("pytorch"),
    "ptflops-aten": _ptflops_macs("aten"),
}
"""Counters of multiply-accumulates.

``torch``: matrix products and convolutions, from torch's own ``FlopCounterMode``, halved.
``thop``: what the papers used: also BatchNorm, not GroupNorm; a 2x2 transposed convolution of
stride 2 four times too high. ``ptflops-pytorch``: also normalization, activations, pooling and
interpolation, by module; ``ptflops-aten``: the same by operator.
"""


def count_macs(
    model: nn.Module, x: torch.Tensor, counters: Sequence[str] | None = None
) -> dict[str, int]:
    """Count a module's multiply-accumulates for one input, and nothing else.

    Args:
        model: The module; it is counted in evaluation mode, without gradients.
        x: What ``forward`` takes, such as (1, C, H, W), floating point.
        counters: Names in :data:`COUNTERS`; by default those whose package is installed.

    Returns:
        Multiply-accumulates by the name of the counter.

    Raises:
        ValueError: If a counter is unknown.
        MissingPackageError: If a named counter's package is not installed.

    Example:
        >>> count_macs(nn.Conv2d(3, 8, 3, padding=1), torch.zeros(1, 3, 16, 16), ["torch"])
        {'torch': 55296}
    """
    for name in counters or ():
        if name not in COUNTERS:
            raise ValueError(f"there is no counter {name!r}; {near_matches(name, COUNTERS)}")
    macs = {}
    with evaluation_mode(model):
        for name in counters or COUNTERS:
            try:
                macs[name] = COUNTERS[name](model, x)
            except ModuleNotFoundError as error:
                if counters:
                    raise MissingPackageError(
                        f"the counter {name!r} needs {error.name}, which is not installed: "
                        f"pip install {error.name}",
                        name=error.name,
                    ) from error
    return macs
