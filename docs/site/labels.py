"""What a module is made of, in a few words for its box in a figure."""

import inspect
import re
from collections.abc import Iterable
from itertools import groupby

from torch import nn

from skinseg.blocks import BLOCKS

MOST_KINDS, MOST_REPEATS = 2, 4
_ACRONYM = re.compile(r"\(([A-Z][A-Z0-9]+)\)")


def block_name(kind: type[nn.Module]) -> str:
    """Return a block's acronym, where the first line of its docstring has one, or its class.

    Example:
        >>> block_name(BLOCKS["dga"]), block_name(BLOCKS["ecdf"])
        ('DGA', 'ECDF')
    """
    acronym = _ACRONYM.search((inspect.getdoc(kind) or "").partition("\n")[0])
    return acronym[1] if acronym else kind.__name__


def _convolution(layer: nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d) -> str:
    size = "×".join(str(side) for side in layer.kernel_size)
    if isinstance(layer, nn.ConvTranspose2d):
        return f"transposed conv {size}"
    depthwise = layer.groups > 1 and layer.groups == layer.in_channels
    return f"{'depthwise ' if depthwise else ''}conv {size}"


def parts(module: nn.Module) -> list[str]:
    """Return the blocks and weighted layers of a module, in order, without norms and activations.

    Example:
        >>> parts(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), BLOCKS["dga"](8)))
        ['conv 3×3', 'DGA']
    """
    if type(module) in BLOCKS.values():
        return [block_name(type(module))]
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d):
        return [_convolution(module)]
    if isinstance(module, nn.Linear):
        return ["linear"]
    return [part for child in module.children() for part in parts(child)]


def _counted(words: Iterable[str]) -> list[tuple[int, str]]:
    return [(len(list(same)), word) for word, same in groupby(words)]


def _joined(runs: list[tuple[int, str]]) -> str:
    return ", ".join(word if times == 1 else f"{times} × {word}" for times, word in runs)


def label(module: nn.Module) -> str:
    """Return a box's text: a module's parts, or its class where they are too many.

    Example:
        >>> label(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3)))
        '2 × conv 3×3'
    """
    runs = _counted(parts(module))
    if 0 < len(runs) <= MOST_KINDS and max(times for times, _ in runs) <= MOST_REPEATS:
        return _joined(runs)
    if type(module) is nn.Sequential and runs:
        return _joined(_counted(label(child) for child in module if parts(child)))
    return type(module).__name__
