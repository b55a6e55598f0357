"""A recorded operation, done again on another network of the same structure."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from skinseg.names import near_matches
from skinseg.surgery.check import copied
from skinseg.surgery.fit import Maker, SurgeryError, block_maker, make_block
from skinseg.surgery.placing import Undo, append, appends, swap
from skinseg.surgery.recipe import Recipe, Step, read_recipe, remember
from skinseg.surgery.refuse import refuse_unfit
from skinseg.surgery.wrappers import BlockAfter, BlockBefore, laid_out


def apply(
    model: nn.Module,
    recipe: Recipe,
    *,
    blocks: Mapping[str, Maker] | None = None,
    inplace: bool = False,
) -> nn.Module:
    """Do to a network what was done to another one like it.

    The network is not run: names and channels are those of the recipe, so that this needs no
    example, and works on the ``meta`` device, too. The blocks come to device, type and mode of the
    modules beside them; their weights are new.

    Args:
        model: A network with the modules that the recipe names.
        recipe: ``report.recipe``, or the same read from JSON.
        blocks: Blocks of one's own by the names that the recipe calls them by: classes or
            functions, as :func:`replace` and :func:`insert` took them.
        inplace: Change ``model`` itself. By default it stays as it is, and a copy is returned.

    Returns:
        The network with the blocks in it.

    Raises:
        SurgeryError: If it is no recipe, a module that it names is not there, a block of one's own
            is not given, or a block cannot be made. ``model`` is then as it was.
        ValueError: If there is no block of that name.
        TypeError: If a block does not take an option.

    Example:
        >>> import torch
        >>> from skinseg.surgery import replace
        >>> def host():
        ...     return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1))
        >>> report = replace(host(), "1", "ecdf", example_input=torch.zeros(1, 3, 32, 32))
        >>> report.recipe
        [{'kind': 'replace', 'place': ['1'], 'block': 'ecdf', 'channels': [8, 8]}]
        >>> again = apply(host(), report.recipe)
        >>> print(again.load_state_dict(report.model.state_dict()))
        <All keys matched successfully>
    """
    refuse_unfit(model)
    steps = read_recipe(recipe)
    network = model if inplace else copied(model)
    undo: list[Undo] = []
    try:
        for number, step in enumerate(steps, start=1):
            _apply(network, step, blocks or {}, f"step {number} of the recipe", undo)
    except BaseException:
        for back in reversed(undo):
            back()
        raise
    remember(network, steps)
    return network


def _apply(
    model: nn.Module, step: Step, blocks: Mapping[str, Maker], what: str, undo: list[Undo]
) -> None:
    names = {name: module for name, module in model.named_modules() if name}
    for name in step.place:
        if name not in names:
            hint = near_matches(name, names, "it is of another network")
            raise SurgeryError(f"{what}: the network has no module {name!r}; {hint}")
    if step.kind == "replace" and len(step.stand_ins) != len(step.place) - 1:
        raise SurgeryError(f"{what}: 'stand_ins' must name one for each place after the first")
    hosts = [names[name] for name in step.place]
    maker = _maker(step, blocks, what)
    try:
        block = laid_out(make_block(maker, step.channels, hosts[0], model), step.layout)
    except SurgeryError as error:
        raise SurgeryError(f"{what}: {error}") from error
    if step.kind == "replace":
        for host, new in zip(hosts, [block, *step.stand_in_modules()], strict=True):
            undo += swap(model, host, new.train(host.training))
        return
    if len(hosts) != 1:
        raise SurgeryError(f"{what}: a block stands {step.kind} one module, not {len(hosts)}")
    undo += place_beside(model, hosts[0], block, step.kind, step.maps, step.argument)


def place_beside(
    model: nn.Module,
    host: nn.Module,
    block: nn.Module,
    kind: str,
    maps: Any,
    argument: int | str | None,
) -> list[Undo]:
    """Put a block before an argument of a module of a network, or after the module."""
    if kind == "before":
        return swap(
            model, host, BlockBefore(host, block, maps, 0 if argument is None else argument)
        )
    if appends(host, maps):
        return [append(host, block)]
    return swap(model, host, BlockAfter(host, block, maps))


def _maker(step: Step, blocks: Mapping[str, Maker], what: str) -> Maker:
    if not step.own:
        return block_maker(step.block, step.options)
    if step.block not in blocks:
        raise SurgeryError(
            f"{what}: the block {step.block} is a class or function of one's own; give it as "
            f"blocks={{{step.block!r}: ...}}"
        )
    return block_maker(blocks[step.block], step.options)
