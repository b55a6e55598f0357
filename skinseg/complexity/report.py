import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from skinseg.complexity.blocks import BlockCost, block_costs
from skinseg.complexity.counters import count_macs
from skinseg.complexity.evaluation_mode import evaluation_mode
from skinseg.complexity.memory import peak_activation
from skinseg.complexity.parameters import Parameters, count_parameters


@dataclasses.dataclass(frozen=True)
class Complexity:
    """What a network costs for one image.

    Attributes:
        input_size: (C, H, W).
        parameters: By kind.
        macs: Multiply-accumulates by the name of the counter, see
            :data:`skinseg.complexity.COUNTERS`.
        peak_activation_bytes: Largest sum of the sizes of tensors that live at one time in a
            forward pass without gradients, the input included, weights and the scratch memory
            inside an operator not.
        blocks: Cost of each block, in the order of the network's modules.
    """

    input_size: tuple[int, int, int]
    parameters: Parameters
    macs: dict[str, int]
    peak_activation_bytes: int
    blocks: list[BlockCost]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON data."""
        return dataclasses.asdict(self)


def model_complexity(
    model: nn.Module,
    input_size: Sequence[int] = (3, 256, 256),
    *,
    counters: Sequence[str] | None = None,
    depth: int = 3,
    repeats: int = 5,
) -> Complexity:
    """Measure what any torch module that takes one image batch costs.

    The module is measured in evaluation mode, without gradients, where it is; a copy is given
    to counters that change what they count.

    Args:
        model: The module; ``forward`` takes (1, C, H, W).
        input_size: (C, H, W).
        counters: Names in :data:`skinseg.complexity.COUNTERS`; by default those whose package is
            installed.
        depth: How many levels of modules the breakdown goes down; an attention block of this
            package is told as a whole.
        repeats: Timed passes; 0 leaves the times at 0.

    Returns:
        The costs for one image.

    Raises:
        ValueError: If a counter is unknown or the size has not three numbers.
        MissingPackageError: If a named counter's package is not installed.

    Example:
        >>> cost = model_complexity(nn.Conv2d(3, 8, 3, padding=1), (3, 16, 16))
        >>> cost.macs["torch"] == 3 * 8 * 3 * 3 * 16 * 16
        True
    """
    if len(input_size) != 3:
        raise ValueError(f"input_size must be (C, H, W), not {tuple(input_size)}")
    channels, height, width = input_size
    weight = next(model.parameters(), torch.empty(0))
    x = torch.rand(1, *input_size, device=weight.device, dtype=weight.dtype)
    macs = count_macs(model, x, counters)
    with evaluation_mode(model):
        return Complexity(
            input_size=(channels, height, width),
            parameters=count_parameters(model),
            macs=macs,
            peak_activation_bytes=peak_activation(model, x),
            blocks=block_costs(model, x, depth, repeats),
        )
