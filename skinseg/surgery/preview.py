"""What an operation would do to a network, without doing it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from skinseg.complexity.parameters import count_parameters
from skinseg.formatting import aligned
from skinseg.surgery.example import make_example
from skinseg.surgery.fit import Maker, SurgeryError, block_maker, feature_map, make_block, try_block
from skinseg.surgery.layout import Layout, check_layout
from skinseg.surgery.operation import Operation
from skinseg.surgery.replace import ends_of, fitting_channels
from skinseg.surgery.select import Selector, Site, as_selector, nothing_selected
from skinseg.surgery.trace import trace
from skinseg.surgery.wrappers import laid_out


@dataclasses.dataclass(frozen=True)
class Place:
    """A place that a selector finds, and whether a block fits there.

    Attributes:
        parts: Names of the modules that would make way.
        old: Their types.
        input_shape: Shape of the map that goes in; empty where it is not one map.
        output_shape: Shape of the map that comes out; empty where it is not one map.
        problem: Why no block can stand there; empty where one can.
        parameters_before: Parameters of the modules.
        parameters_after: Parameters of the block; None where it does not fit, or none was named.
        macs_before: Multiply-accumulates of the modules with the example.
        macs_after: Multiply-accumulates of the block, or None as above.
    """

    parts: tuple[str, ...]
    old: tuple[str, ...]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    problem: str
    parameters_before: int
    parameters_after: int | None
    macs_before: int
    macs_after: int | None


@dataclasses.dataclass(frozen=True)
class Preview:
    """The places that a selector finds in a network; ``str()`` of it is a table.

    Attributes:
        places: The places, in the order of the network's modules.
    """

    places: tuple[Place, ...]

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("place", "is", "map", "parameters", "MACs", "fits")]
        rows += [
            (
                " + ".join(place.parts),
                " + ".join(place.old),
                f"{_shape(place.input_shape)} -> {_shape(place.output_shape)}",
                _cost(place.parameters_before, place.parameters_after),
                _cost(place.macs_before, place.macs_after),
                place.problem or "yes",
            )
            for place in self.places
        ]
        return "\n".join(aligned(rows))


def preview(
    model: nn.Module,
    where: Selector | str | nn.Module,
    block: str | Maker | None = None,
    *,
    example_input: Any = None,
    example_kwargs: Mapping[str, Any] | None = None,
    layout: Layout | None = None,
    **options: Any,
) -> Preview:
    """Tell which places :func:`replace` would find, what flows there, and what fits at what cost.

    The network is run at two sizes in evaluation mode, and neither changed nor copied. Whether it
    trains with the blocks, :func:`replace` finds out.

    Args:
        model: Any torch module.
        where: As in :func:`replace`.
        block: As in :func:`replace`; without it, only the sizes of the maps are judged.
        example_input: As in :func:`replace`.
        example_kwargs: As in :func:`replace`.
        layout: As in :func:`replace`.
        **options: The block's options, with its name.

    Raises:
        SurgeryError: If nothing is selected, or the network cannot be operated on.
        ValueError: If there is no block or layout of that name.
        TypeError: As in :func:`replace`.

    Example:
        >>> host = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Conv2d(8, 8, 1))
        >>> found = preview(host, "*", "iea", example_input=torch.randn(1, 3, 32, 32))
        >>> [(place.parts, bool(place.problem)) for place in found.places]
        [(('0',), True), (('1',), False)]
        >>> found.places[1].parameters_before, found.places[1].parameters_after
        (72, 664)
    """
    check_layout(layout)
    example = make_example(example_input, example_kwargs)
    maker = None if block is None else block_maker(block, options)
    selector = as_selector(where, model)
    operation = Operation(model, example, inplace=True, check=True, copy=False)
    sites = selector(operation.before)
    if not sites:
        raise SurgeryError(nothing_selected(selector, operation.model))
    return Preview(tuple(_place(operation, site, maker, layout) for site in sites))


def _place(operation: Operation, site: Site, maker: Maker | None, layout: Layout | None) -> Place:
    before = operation.before
    parts = [before.names[name] for name in site.parts]
    problem, made = "", None
    try:
        made = _try(operation, site, maker, layout)
    except SurgeryError as error:
        problem = str(error)
    taken, given = _shapes(operation, site)
    return Place(
        parts=site.parts,
        old=tuple(type(part).__name__ for part in parts),
        input_shape=taken,
        output_shape=given,
        problem=problem,
        parameters_before=sum(count_parameters(part).total for part in parts),
        parameters_after=None if made is None else count_parameters(made[0]).total,
        macs_before=sum(before.macs_of.get(name, 0) for name in site.parts),
        macs_after=None if made is None else made[1],
    )


def _try(
    operation: Operation, site: Site, maker: Maker | None, layout: Layout | None
) -> tuple[nn.Module, int] | None:
    """The block for a place, and its multiply-accumulates."""
    channels = fitting_channels(operation, site, layout)
    if maker is None:
        return None
    host = operation.before.names[site.parts[0]]
    # The block draws its weights; a preview changes nothing, the random state included.
    with torch.random.fork_rng(devices=[]):
        block = laid_out(make_block(maker, channels, host, operation.model), layout)
    taken, given = ends_of(operation.before, site)
    try_block(block, taken, given)
    like = next(block.parameters(), torch.empty(0))
    return block, trace(block, [like.new_zeros(taken.shape)]).macs


def _shapes(operation: Operation, site: Site) -> tuple[tuple[int, ...], tuple[int, ...]]:
    first = operation.before.calls.get(site.parts[0], [])
    last = operation.before.calls.get(site.parts[-1], [])
    if len(first) != 1 or len(last) != 1:
        return (), ()
    inputs = first[0].inputs()
    return _map(inputs[0] if len(inputs) == 1 else None), _map(last[0].output)


def _map(value: Any) -> tuple[int, ...]:
    try:
        return feature_map(value, "").shape
    except SurgeryError:
        return ()


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "?"


def _cost(before: int, after: int | None) -> str:
    return f"{before:,}" if after is None else f"{before:,} -> {after:,}"
