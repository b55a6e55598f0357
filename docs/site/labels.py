"""What a module is made of, in a few words for its box in a figure."""

import inspect
import re
from itertools import groupby

from torch import nn

from skinseg.blocks import BLOCKS

MOST_KINDS, MOST_REPEATS = 2, 4
_ACRONYM = re.compile(r"\(([A-Z][A-Z0-9]+)\)")
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def class_words(kind: type[nn.Module]) -> str:
    """Return a class's name as words.

    Example:
        >>> class_words(nn.LeakyReLU), class_words(nn.Conv2d)
        ('Leaky Re LU', 'Conv2d')
    """
    return _WORDS.sub(" ", kind.__name__)


def block_name(kind: type[nn.Module]) -> str:
    """Return a block's acronym, where the first line of its docstring has one, or its name.

    Example:
        >>> block_name(BLOCKS["dga"]), block_name(BLOCKS["ecdf"])
        ('DGA', 'ECDF')
    """
    acronym = _ACRONYM.search((inspect.getdoc(kind) or "").partition("\n")[0])
    return acronym[1] if acronym else class_words(kind)


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


def label(module: nn.Module) -> str:
    """Return a box's text: a module's parts, or its class where they are too many.

    Example:
        >>> label(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3)))
        '2 × conv 3×3'
    """
    runs = [(part, len(list(same))) for part, same in groupby(parts(module))]
    if 0 < len(runs) <= MOST_KINDS and max(times for _, times in runs) <= MOST_REPEATS:
        return ", ".join(part if times == 1 else f"{times} × {part}" for part, times in runs)
    if type(module) is nn.Sequential and runs:
        return ", ".join(label(child) for child in module if parts(child))
    return class_words(type(module))
