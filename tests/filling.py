"""Weights and images that show when two are mistaken for each other.

Those of ``waves`` and ``fill`` are the same on every machine: no random numbers, only sines.
"""

import zlib

import torch
from torch import nn


def waves(shape: tuple[int, ...], name: str) -> torch.Tensor:
    """A tensor of values in -1..1 that depends on the name alone."""
    phase = zlib.crc32(name.encode()) % 1000
    count = torch.Size(shape).numel()
    return torch.sin(torch.arange(count, dtype=torch.float64) * 0.7 + phase).float().view(shape)


def fill(network: nn.Module) -> nn.Module:
    """Give every weight a value that depends on its name, no two channels alike."""
    for name, tensor in network.state_dict().items():
        if not tensor.is_floating_point():
            continue
        values = waves(tuple(tensor.shape), name)
        if name.endswith("running_var"):
            values = 1 + values / 2
        elif tensor.ndim > 1:
            values = values / tensor[0].numel() ** 0.5
        elif name.endswith("weight"):
            values = 1 + values / 5
        tensor.copy_(values)
    return network.eval()


def vary(network: nn.Module) -> nn.Module:
    """Move the norms' weights and averages from 1 and 0, so that none can be mistaken."""
    for value in network.state_dict().values():
        if value.ndim == 1:
            value += 0.3 * torch.rand_like(value)
    return network.eval()
