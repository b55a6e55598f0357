"""Which dimension of a feature map holds the channels, as far as a network shows it."""

from collections.abc import Sequence
from typing import Literal

from torch import nn
from torch.utils._pytree import tree_leaves

from skinseg.surgery.fit import SurgeryError, feature_map
from skinseg.surgery.trace import Trace, Use, Value

Layout = Literal["NCHW", "NHWC"]
_CHANNELS = {"NCHW": 1, "NHWC": 3}


def check_layout(layout: Layout | None) -> None:
    """Raise a ValueError if there is no layout of that name."""
    if layout is not None and layout not in _CHANNELS:
        raise ValueError(f'layout must be "NCHW" or "NHWC", not {layout!r}')


def channels_of(
    flows: Sequence[object], traces: Sequence[Trace], layout: Layout | None, what: str
) -> int:
    """Return the channels of a feature map.

    Args:
        flows: The map at each size that the network was run with.
        traces: The passes, one per size.
        layout: What the caller says; None is ``"NCHW"`` unless the network shows the other.
        what: How an error calls the map.

    Raises:
        SurgeryError: If it is no feature map, or one of another layout.
    """
    maps = [feature_map(flow, what) for flow in flows]
    axis = _CHANNELS[layout or "NCHW"]
    widths = [value.shape[axis] for value in maps]
    other = [value.shape[4 - axis] for value in maps]
    if len(set(widths)) > 1:
        if len(set(other)) == 1:
            raise _other_layout(maps[0], what, layout)
        shapes = " and ".join(str(value.shape) for value in maps)
        raise SurgeryError(f"{what} has other channels at another size of the image: {shapes}")
    # Where no dimension tells the two apart, the layers that it passes may.
    if layout is None and len({value.shape for value in maps}) == 1 and _last(maps[0], traces[0]):
        raise _other_layout(maps[0], what, layout)
    return widths[0]


def size_of(value: Value, layout: Layout | None) -> tuple[int, ...]:
    """Return height and width."""
    return value.shape[1:3] if layout == "NHWC" else value.shape[2:]


def _other_layout(value: Value, what: str, layout: Layout | None) -> SurgeryError:
    found, wanted = ("channels first", "NCHW") if layout == "NHWC" else ("channels last", "NHWC")
    dims = "(B, C, H, W)" if wanted == "NCHW" else "(B, H, W, C)"
    return SurgeryError(
        f'{what} is {value.shape}, {found} {dims}; layout="{wanted}" puts a block there'
    )


def _last(value: Value, trace: Trace) -> bool:
    """Whether layers that work on the last dimension take or give the map, or one beside it."""
    calls = [use for uses in trace.calls.values() for use in uses]
    beside = {value}
    for use in calls:
        ends = {end for end in _ends(use) if end.shape == value.shape}
        if value in ends:
            if isinstance(use.module, nn.modules.conv._ConvNd):
                return False
            beside |= ends
    moved = any(_moves_last(use) for end in beside for use in trace.uses[end.number])
    return moved or any(_works_on_last(use, end) for use in calls for end in beside & _ends(use))


def _ends(use: Use) -> set[Value]:
    outputs = [leaf for leaf in tree_leaves(use.output) if isinstance(leaf, Value)]
    return {*use.inputs(), *outputs}


def _moves_last(use: Use) -> bool:
    numbers = [leaf for leaf in tree_leaves((use.args, use.kwargs)) if isinstance(leaf, int)]
    return use.name == "permute" and numbers == [0, 3, 1, 2]


def _works_on_last(use: Use, value: Value) -> bool:
    width = value.shape[-1]
    if isinstance(use.module, nn.Linear):
        takes = value in use.inputs()
        return width == (use.module.in_features if takes else use.module.out_features)
    # Not a subclass: those that libraries make for (B, C, H, W) permute by themselves.
    return type(use.module) is nn.LayerNorm and use.module.normalized_shape == (width,)
