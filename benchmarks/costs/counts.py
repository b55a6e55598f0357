"""Parameters and multiply-accumulates of a network, the latter by several counters."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from skinseg.complexity import count_macs, count_parameters


def count(network: nn.Module, input_size: Sequence[int], counters: Sequence[str]) -> dict[str, Any]:
    """Return all parameters, and what each counter counts for one image of (C, H, W)."""
    return {
        "parameters": count_parameters(network).total,
        "macs": count_macs(network, torch.zeros(1, *input_size), counters),
    }
