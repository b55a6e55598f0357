"""Parameters and multiply-accumulates of a network, the latter by several counters."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from skinseg.complexity import COUNTERS
from skinseg.complexity.evaluation_mode import evaluation_mode


def count_macs(
    network: nn.Module, input_size: Sequence[int], counters: Sequence[str]
) -> dict[str, int]:
    """Return what each counter counts for one image of ``input_size`` (C, H, W).

    `skinseg.complexity.model_complexity` also runs the network for its memory and its blocks,
    which would take half of the time here.
    """
    x = torch.zeros(1, *input_size)
    with evaluation_mode(network):
        return {name: COUNTERS[name](network, x) for name in counters}


def count(network: nn.Module, input_size: Sequence[int], counters: Sequence[str]) -> dict[str, Any]:
    """Return all parameters, and what each counter counts; see `count_macs`."""
    return {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "macs": count_macs(network, input_size, counters),
    }
