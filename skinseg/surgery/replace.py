import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from torch import nn

from skinseg.complexity.parameters import count_parameters
from skinseg.surgery.example import make_example
from skinseg.surgery.fit import (
    Maker,
    SurgeryError,
    block_maker,
    feature_map,
    make_block,
    only_call,
    try_block,
)
from skinseg.surgery.layout import Layout, channels_of, check_layout, size_of
from skinseg.surgery.operation import Operation
from skinseg.surgery.placing import swap
from skinseg.surgery.recipe import Step, block_name, stand_in_names
from skinseg.surgery.report import Change, Refusal, SurgeryReport
from skinseg.surgery.select import Selector, Site, as_selector, nothing_selected
from skinseg.surgery.trace import Trace, Use, Value
from skinseg.surgery.wrappers import Copy, block_type, laid_out


def replace(
    model: nn.Module,
    where: Selector | str | nn.Module,
    block: str | Maker,
    *,
    example_input: Any = None,
    example_kwargs: Mapping[str, Any] | None = None,
    layout: Layout | None = None,
    inplace: bool = False,
    skip_unfit: bool = False,
    check: bool = True,
    **options: Any,
) -> SurgeryReport:
    """Replace modules of a network by blocks.

    Channels are those that flowed through each place when the network ran. The block comes to
    device and type of the module that was replaced, and into its mode, training or evaluation; all
    other weights stay. Its own weights are new, and the network has to be trained.

    Args:
        model: Any torch module.
        where: Which modules; a string is a name, see :func:`by_name`, and a module of the network
            stands for itself.
        block: A name of :func:`skinseg.list_blocks`, or a class or function that makes a module
            from ``(in_chans, out_chans)``.
        example_input: What the network is run with: a tensor, or a sequence of arguments. A list
            or dictionary that is one argument goes into a list: ``[[image, image]]``.
        example_kwargs: Keyword arguments that the network is run with.
        layout: ``"NHWC"`` where the maps are (B, H, W, C); the block is then wrapped in two
            permutations. By default maps are (B, C, H, W), and others are refused as far as the
            network shows them; ``"NCHW"`` says that they are what they look like.
        inplace: Change ``model`` itself. By default it stays as it is, and the report has a copy.
        skip_unfit: Leave places where a block would not keep the shape, and tell them in the
            report. By default one such place is an error.
        check: Run the network as its user will: at a second size, twice as high and three times
            as wide, which shows lost strides and fixed sizes, and forward and backward in training
            mode, which shows what writes over the block's output or does not use it. With it the
            operation takes about as long as 17 forward passes and the memory of a training step at
            the first size or of a forward pass at the second; without, as long as two forward
            passes. A network that takes one size only, or cannot be trained with this example, is
            checked as far as that goes, and the report's ``notes`` say so.
        **options: The block's options, with its name.

    Returns:
        The report, the network in it.

    Raises:
        SurgeryError: If nothing is selected, or a block does not fit: where height and width
            change, input or output is no feature map, the module does not run or runs more than
            once or has hooks, or the network fails afterwards. It is then as it was. Also if the
            network is compiled, scripted, distributed or lazy, or fails with the example.
        ValueError: If there is no block or layout of that name.
        TypeError: If the block does not take an option, or an argument is of the wrong kind.

    Example:
        >>> import torch
        >>> host = nn.Sequential(nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.Conv2d(16, 32, 1))
        >>> report = replace(host, "1", "dga", example_input=torch.randn(1, 3, 32, 32))
        >>> type(report.model[1]).__name__, report.parameters_before, report.parameters_after
        ('DilatedGatedAttention', 992, 3376)
    """
    check_layout(layout)
    example = make_example(example_input, example_kwargs)
    with Operation(model, example, inplace=inplace, check=check) as operation:
        maker, selector = block_maker(block, options), as_selector(where, model)
        named = block_name(block, options)
        sites = selector(operation.before)
        if not sites:
            raise SurgeryError(nothing_selected(selector, operation.model))
        changes: list[Change] = []
        refused: list[Refusal] = []
        for site in sites:
            try:
                changes.append(_replace(operation, site, maker, layout, named))
            except SurgeryError as error:
                refused.append(Refusal(site.parts, str(error)))
        if refused and not (skip_unfit and changes):
            told = "; ".join(f"{' + '.join(entry.place)}: {entry.reason}" for entry in refused)
            hint = "" if skip_unfit or not changes else ". skip_unfit=True leaves such places"
            raise SurgeryError(
                f"no block fits at {len(refused)} of {len(sites)} places: {told}{hint}"
            )
        return operation.report(changes, refused)


def _replace(
    operation: Operation, site: Site, maker: Maker, layout: Layout | None, named: dict[str, Any]
) -> Change:
    parts = [operation.before.names[name] for name in site.parts]
    channels = fitting_channels(operation, site, layout)
    taken, given = ends_of(operation.before, site)
    block = laid_out(make_block(maker, channels, parts[0], operation.model), layout)
    try_block(block, taken, given)
    rest = _stand_ins(operation.before, site)
    for part, new in zip(parts, [block, *rest], strict=True):
        operation.undo += swap(operation.model, part, new.train(part.training))
    operation.blocks.append((site.parts[0], block))
    operation.steps.append(
        Step(
            kind="replace",
            place=site.parts,
            channels=channels,
            layout=layout,
            stand_ins=stand_in_names(rest),
            **named,
        )
    )
    return Change(
        place=site.parts,
        old=tuple(type(part).__name__ for part in parts),
        new=block_type(block),
        in_chans=channels[0],
        out_chans=channels[1],
        parameters_before=sum(count_parameters(part).total for part in parts),
        parameters_after=count_parameters(block).total,
    )


def _stand_ins(trace: Trace, site: Site) -> list[nn.Module]:
    """What comes to the places of the parts after the first."""
    rest: list[nn.Module] = [nn.Identity() for _ in site.parts[1:]]
    calls = [only_call(trace, name) for name in site.parts]
    gaps = any(one.output != two.inputs()[0] for one, two in pairwise(calls))
    # An activation that stays between the parts gives what the network then writes over, were
    # there no copy: its gradient needs that result.
    if gaps and any(map(_writes, trace.uses[calls[-1].output.number])):
        rest[-1] = Copy()
    return rest


def _writes(use: Use) -> bool:
    if use.module is not None:
        return bool(getattr(use.module, "inplace", False))
    return bool(use.kwargs.get("inplace")) or bool(re.fullmatch(r"\w*[^_]_|__i\w+__", use.name))


def _refuse_hooks(trace: Trace, site: Site) -> None:
    hooked = sorted(name for name in trace.hooked if site.holds(name))
    if hooked:
        raise SurgeryError(
            f"{hooked[0]} has a hook that would be lost with it; remove it first, and set it on "
            "the block afterwards"
        )


def fitting_channels(operation: Operation, site: Site, layout: Layout | None) -> tuple[int, int]:
    """Return the channels that go in and come out, the same at every size.

    Raises:
        SurgeryError: If no block can stand there.
    """
    _refuse_hooks(operation.before, site)
    traces = operation.traces
    ends = [ends_of(trace, site) for trace in traces]
    taken = channels_of([pair[0] for pair in ends], traces, layout, "the input")
    given = channels_of([pair[1] for pair in ends], traces, layout, "the output")
    module = only_call(traces[0], site.parts[0]).module
    for pair in ends:
        _refuse_resizing(size_of(pair[0], layout), size_of(pair[1], layout), module)
    if operation.larger is None:
        single = all(size_of(value, layout) == (1, 1) for value in ends[0])
        for part in site.parts:
            _refuse_unseen_resizing(traces[0].names[part], single)
    return taken, given


def ends_of(trace: Trace, site: Site) -> tuple[Value, Value]:
    """Return what goes into the first part and comes out of the last.

    Raises:
        SurgeryError: If either is not one feature map.
    """
    calls = [only_call(trace, name) for name in site.parts]
    arguments = calls[0].inputs()
    if len(arguments) != 1:
        raise SurgeryError(f"{site.parts[0]} takes {len(arguments)} tensors, and a block one")
    taken = feature_map(arguments[0], "the input")
    return taken, feature_map(calls[-1].output, "the output")


def _refuse_resizing(
    taken: tuple[int, ...], given: tuple[int, ...], module: nn.Module | None
) -> None:
    if taken == given:
        return
    sizes = " into ".join("x".join(map(str, size)) for size in (taken, given))
    causes = [
        f"{name} {getattr(module, name)}"
        for name in ("stride", "padding", "scale_factor", "output_size", "size")
        if getattr(module, name, None) is not None
    ]
    because = f" ({', '.join(causes)})" if causes else ""
    raise SurgeryError(f"it turns {sizes}{because}, and a block keeps height and width")


def _refuse_unseen_resizing(part: nn.Module, single: bool) -> None:
    """Refuse what the one size that the network takes does not show."""
    for module in part.modules() if single else [part]:
        stride = getattr(module, "stride", 1)
        strided = isinstance(stride, (int, tuple)) and set(_pair(stride)) != {1}
        fixed = isinstance(module, (nn.modules.pooling._AdaptiveAvgPoolNd, nn.Upsample))
        fixed = fixed or isinstance(module, nn.modules.pooling._AdaptiveMaxPoolNd)
        if strided or fixed:
            raise SurgeryError(
                f"it has a {type(module).__name__} that changes height and width at other sizes "
                "than the only one that the network was run with"
            )


def _pair(stride: int | tuple[int, ...]) -> tuple[int, ...]:
    return (stride,) if isinstance(stride, int) else stride
