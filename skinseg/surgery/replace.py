from typing import Any

from torch import nn

from skinseg.complexity.parameters import count_parameters
from skinseg.surgery.fit import (
    Maker,
    SurgeryError,
    block_maker,
    feature_map,
    make_block,
    only_call,
    try_block,
)
from skinseg.surgery.operation import Operation
from skinseg.surgery.report import Change, Refusal, SurgeryReport
from skinseg.surgery.select import Selector, Site, as_selector, nothing_selected
from skinseg.surgery.trace import Value


def replace(
    model: nn.Module,
    where: Selector | str,
    block: str | Maker,
    *,
    example_input: Any,
    inplace: bool = False,
    skip_unfit: bool = False,
    **options: Any,
) -> SurgeryReport:
    """Replace modules of a network by blocks.

    Channels are those that flowed through each place when the network ran. The block comes to
    device and type of the module that was replaced, and into its mode, training or evaluation; all
    other weights stay. Its own weights are new, and the network has to be trained.

    Args:
        model: Any torch module.
        where: Which modules; a string is a name, see :func:`by_name`.
        block: A name of :func:`skinseg.list_blocks`, or ``function(in_chans, out_chans)`` that
            returns a module.
        example_input: What the network is run with, twice and in evaluation mode: a tensor, or a
            sequence of arguments.
        inplace: Change ``model`` itself. By default it stays as it is, and the report has a copy.
        skip_unfit: Leave places where a block would not keep the shape, and tell them in the
            report. By default one such place is an error.
        **options: The block's options, with its name.

    Returns:
        The report, the network in it.

    Raises:
        SurgeryError: If nothing is selected, or a block does not fit: where height and width
            change, input or output is no feature map, the module does not run or runs more than
            once, or the network fails afterwards. It is then as it was.
        ValueError: If there is no block of that name.
        TypeError: If the block does not take an option.

    Example:
        >>> import torch
        >>> host = nn.Sequential(nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.Conv2d(16, 32, 1))
        >>> report = replace(host, "1", "dga", example_input=torch.randn(1, 3, 32, 32))
        >>> type(report.model[1]).__name__, report.parameters_before, report.parameters_after
        ('DilatedGatedAttention', 992, 3376)
    """
    maker, selector = block_maker(block, options), as_selector(where)
    with Operation(model, example_input, inplace) as operation:
        sites = selector(operation.before)
        if not sites:
            raise SurgeryError(nothing_selected(selector, operation.before))
        changes: list[Change] = []
        refused: list[Refusal] = []
        for site in sites:
            try:
                changes.append(_replace(operation, site, maker))
            except SurgeryError as error:
                refused.append(Refusal(site.parts, str(error)))
        if refused and not (skip_unfit and changes):
            told = "; ".join(f"{' + '.join(entry.place)}: {entry.reason}" for entry in refused)
            hint = "" if skip_unfit or not changes else ". skip_unfit=True leaves such places"
            raise SurgeryError(
                f"no block fits at {len(refused)} of {len(sites)} places: {told}{hint}"
            )
        return operation.report(changes, refused)


def _replace(operation: Operation, site: Site, maker: Maker) -> Change:
    parts = [operation.before.names[name] for name in site.parts]
    taken, given = _ends(operation, site)
    channels = (taken.shape[1], given.shape[1])
    block = make_block(maker, channels, parts[0], operation.model)
    try_block(block, taken, given)
    for name, new in zip(site.parts, [block] + [nn.Identity() for _ in parts[1:]], strict=True):
        operation.swap(name, new.train(operation.before.names[name].training))
    operation.blocks.append((site.parts[0], block))
    return Change(
        place=site.parts,
        old=tuple(type(part).__name__ for part in parts),
        new=type(block).__name__,
        in_chans=channels[0],
        out_chans=channels[1],
        parameters_before=sum(count_parameters(part).total for part in parts),
        parameters_after=count_parameters(block).total,
    )


def _ends(operation: Operation, site: Site) -> tuple[Value, Value]:
    """What goes into the first part and comes out of the last."""
    calls = [only_call(operation.before, name) for name in site.parts]
    arguments = calls[0].inputs()
    if len(arguments) != 1:
        raise SurgeryError(f"{site.parts[0]} takes {len(arguments)} tensors, and a block one")
    taken = feature_map(arguments[0], "the input")
    given = feature_map(calls[-1].output, "the output")
    if taken.shape[2:] != given.shape[2:]:
        sizes = " into ".join("x".join(map(str, value.shape[2:])) for value in (taken, given))
        causes = [
            f"{name} {getattr(calls[0].module, name)}"
            for name in ("stride", "padding", "scale_factor")
            if hasattr(calls[0].module, name)
        ]
        because = f" ({', '.join(causes)})" if causes else ""
        raise SurgeryError(f"it turns {sizes}{because}, and a block keeps height and width")
    return taken, given
