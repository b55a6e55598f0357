"""The memory layout of maps and weights while a network learns."""

import torch
from torch import nn

from skinseg.complexity import count_parameters

# Channels that oneDNN handles at once with the widest instructions of a CPU.
_ONEDNN_BLOCK = 16
# Parameters. On a GPU networks as large are faster channels last, but for TransFuse-S; the one
# smaller network that was measured is slower: docs/results/gpu_layout.md.
_LARGE = 2_000_000


def memory_format(
    model: nn.Module, device: torch.device, channels_last: bool | None
) -> torch.memory_format:
    """Return the layout to train in.

    Args:
        model: The network.
        device: Where it trains.
        channels_last: What the recipe says. None is channels last on a CPU, which is faster for
            nearly all small networks, and on a CUDA GPU for networks of two million parameters
            or more; torch's default elsewhere.

    Example:
        >>> memory_format(nn.Conv2d(3, 8, 3), torch.device("cpu"), None)
        torch.channels_last
    """
    if channels_last is None:
        channels_last = _is_faster_channels_last(model, device)
    return torch.channels_last if channels_last else torch.contiguous_format


def _is_faster_channels_last(model: nn.Module, device: torch.device) -> bool:
    if device.type == "cpu":
        return not _writes_outside(model)
    return device.type == "cuda" and count_parameters(model).total >= _LARGE


def _writes_outside(model: nn.Module) -> bool:
    """Whether oneDNN would write outside its memory: a strided 1x1 convolution, few channels.

    Its backward pass then destroys what lies beside (issue 6035 of oneDNN).
    """
    return any(
        isinstance(module, nn.Conv2d)
        and module.kernel_size == (1, 1)
        and module.stride != (1, 1)
        and module.in_channels < _ONEDNN_BLOCK
        for module in model.modules()
    )
