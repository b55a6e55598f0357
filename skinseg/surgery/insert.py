from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from skinseg.complexity.parameters import count_parameters
from skinseg.surgery.apply import place_beside
from skinseg.surgery.example import make_example
from skinseg.surgery.fit import (
    Maker,
    SurgeryError,
    block_maker,
    make_block,
    only_call,
    try_block,
)
from skinseg.surgery.layout import Layout, channels_of, check_layout
from skinseg.surgery.operation import Operation
from skinseg.surgery.recipe import Step, block_name
from skinseg.surgery.report import Change, SurgeryReport
from skinseg.surgery.select import Selector, as_selector, nothing_selected
from skinseg.surgery.trace import Use
from skinseg.surgery.wrappers import (
    Maps,
    block_type,
    get_maps,
    laid_out,
)


def insert(
    model: nn.Module,
    block: str | Maker,
    *,
    after: Selector | str | nn.Module | None = None,
    before: Selector | str | nn.Module | None = None,
    argument: int | str = 0,
    maps: Maps | None = None,
    example_input: Any = None,
    example_kwargs: Mapping[str, Any] | None = None,
    layout: Layout | None = None,
    inplace: bool = False,
    check: bool = True,
    **options: Any,
) -> SurgeryReport:
    """Put blocks after or before modules of a network.

    A module that gives several feature maps, as an encoder does, or takes them, as a decoder does,
    has ``maps`` tell which of them pass the block: a number for one, a sequence for a bridge that
    sees them together. Channels, device, type and mode follow the module as in :func:`replace`.

    After an ``nn.Sequential`` the block becomes its last part. Any other module is wrapped
    together with the block, so that the names of its weights have ``host.`` put in: load weights
    first, then operate.

    Args:
        model: Any torch module.
        block: A name of :func:`skinseg.list_blocks`, or a class or function that makes from
            ``(in_chans)`` a module which keeps shapes; with a sequence of maps ``in_chans`` is a
            list.
        after: After which modules; a string is a name, see :func:`by_name`, and a module of the
            network stands for itself.
        before: Before which modules; give one of the two.
        argument: With ``before``: which argument of the module passes the block, by place or name.
        maps: Which maps of a list, tuple or dictionary pass the block.
        example_input: As in :func:`replace`.
        example_kwargs: As in :func:`replace`.
        layout: As in :func:`replace`.
        inplace: As in :func:`replace`.
        check: As in :func:`replace`, with the same cost.
        **options: The block's options, with its name.

    Returns:
        The report, the network in it.

    Raises:
        SurgeryError: If nothing is selected, or the block does not fit, as in :func:`replace`.
        ValueError: If there is no block or layout of that name.
        TypeError: If the block does not take an option, an argument is of the wrong kind, or not
            one of ``after`` and ``before`` is given.

    Example:
        >>> import torch
        >>> host = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 1, 1))
        >>> report = insert(host, "iea", after="0", example_input=torch.randn(1, 3, 32, 32))
        >>> print(report)  # doctest: +ELLIPSIS
        place  was  is                         channels  parameters
        0      -    InvertedExternalAttention  16 -> 16  0 -> 2,608
        parameters: 465 -> 3,073
        MACs of an input (1, 3, 32, 32): ...
    """
    place = before if after is None else after
    if place is None or (after is not None and before is not None):
        raise TypeError("insert takes either after= or before=")
    check_layout(layout)
    example = make_example(example_input, example_kwargs)
    with Operation(model, example, inplace=inplace, check=check) as operation:
        maker, selector = block_maker(block, options), as_selector(place, model)
        sites = selector(operation.before)
        if not sites:
            raise SurgeryError(nothing_selected(selector, operation.model))
        named = block_name(block, options)
        changes = []
        for site in sites:
            # After a row of modules is after its last, before it is before its first.
            name = site.parts[-1] if before is None else site.parts[0]
            try:
                where = None if before is None else argument
                changes.append(_insert(operation, name, maker, where, maps, layout, named))
            except SurgeryError as error:
                raise SurgeryError(f"no block fits at {name}: {error}") from error
        return operation.report(changes, [])


def _insert(
    operation: Operation,
    name: str,
    maker: Maker,
    argument: int | str | None,
    maps: Maps | None,
    layout: Layout | None,
    named: dict[str, Any],
) -> Change:
    """Put a block before an argument of a module, or after the module where that is None."""
    host = operation.before.names[name]
    flows = [_flow(only_call(trace, name), argument, maps) for trace in operation.traces]
    several = isinstance(flows[0], list)
    at_sizes = zip(*flows, strict=True) if several else [tuple(flows)]
    widths = [channels_of(flow, operation.traces, layout, "the map") for flow in at_sizes]
    channels = widths if several else widths[0]
    block = laid_out(make_block(maker, (channels,), host, operation.model), layout)
    try_block(block, flows[0], flows[0])
    kind = "after" if argument is None else "before"
    operation.undo += place_beside(operation.model, host, block, kind, maps, argument)
    operation.blocks.append((name, block))
    kept = maps if maps is None or isinstance(maps, (int, str)) else list(maps)
    operation.steps.append(
        Step(
            kind=kind,
            place=(name,),
            channels=(channels,),
            layout=layout,
            maps=kept,
            argument=argument,
            **named,
        )
    )
    return Change((name,), (), block_type(block), channels, channels, 0, _size(block))


def _flow(call: Use, argument: int | str | None, maps: Maps | None) -> Any:
    """The map or maps that pass the block."""
    flow = call.output if argument is None else _argument(call.args, call.kwargs, argument)
    return _chosen(flow, maps)


def _chosen(flow: Any, maps: Maps | None) -> Any:
    held = f"a {type(flow).__name__}"
    if isinstance(flow, (list, tuple, dict)):
        held += f" of {len(flow)}"
        if maps is None:
            raise SurgeryError(f"what passes there is {held}: name the maps that are meant, maps=")
    try:
        chosen = get_maps(flow, maps)
    except (LookupError, TypeError) as error:
        raise SurgeryError(f"what passes there is {held}, without {maps!r}") from error
    if isinstance(chosen, list) and len({id(value) for value in chosen}) < len(chosen):
        raise SurgeryError(f"maps names one map twice: {maps!r}")
    return chosen


def _size(block: nn.Module) -> int:
    return count_parameters(block).total


def _argument(args: Sequence[Any], kwargs: dict[str, Any], argument: int | str) -> Any:
    known: dict[int | str, Any] = dict(enumerate(args))
    known.update(kwargs.items())
    if argument not in known:
        given = ", ".join(map(repr, (*range(len(args)), *kwargs)))
        raise SurgeryError(f"it is not called with an argument {argument!r}; there are: {given}")
    return known[argument]
