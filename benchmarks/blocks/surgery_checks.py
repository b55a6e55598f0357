"""Whether an operation that was accepted is right, told without the code of the package.

Everything is found again, from outside: shapes by hooks, gradients by a backward pass, parameters
by addition, multiply-accumulates by torch's counter.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_map
from torch.utils.flop_counter import FlopCounterMode

from skinseg import surgery

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


class Watched:
    """A network as it was before the operation, with what an observer notes of it."""

    def __init__(self, model: nn.Module, sizes: list[Arguments]) -> None:
        """Run it at each size; it must run in evaluation mode."""
        self.model, self.sizes = model, sizes
        self.state = {name: value.clone() for name, value in model.state_dict().items()}
        self.names = [(name, id(module)) for name, module in model.named_modules()]
        self.modes = [module.training for module in model.modules()]
        self.shapes = [shapes_within(model, arguments) for arguments in sizes]
        self.within_one = _within_one(model, sizes[0])
        self.trained = gradients(model, sizes[0])
        self.parameters = total(model)
        self.macs = count_macs(model, sizes[0])

    def changed(self) -> list[str]:
        """What is no longer as it was."""
        now = self.model.state_dict()
        same = now.keys() == self.state.keys() and all(
            _equal(now[name], value) for name, value in self.state.items()
        )
        found = [] if same else ["the original's weights changed"]
        if [(name, id(module)) for name, module in self.model.named_modules()] != self.names:
            found.append("the original's modules changed")
        if [module.training for module in self.model.modules()] != self.modes:
            found.append("the original's mode changed")
        return found


def problems(
    watched: Watched,
    report: surgery.SurgeryReport,
    again: Callable[[], nn.Module],
    *,
    rows: bool = False,
    export: bool = False,
) -> list[str]:
    """Look at an operation that was accepted.

    Args:
        watched: The network before it.
        report: The operation's report.
        again: Makes another network like the one before it.
        rows: Whether convolutions were selected by the flow of data, so that the last activation
            must be one that nobody would miss.
        export: Whether the result is also exported.

    Returns:
        What is wrong, in words; nothing if all is right.
    """
    checks: list[Callable[[], list[str]]] = [
        watched.changed,
        lambda: _shapes(watched, report),
        lambda: _training(watched, report),
        lambda: _counts(watched, report),
        lambda: _copies(watched, report, again),
    ]
    if rows:
        checks.append(lambda: _range(watched, report))
    if export:
        checks.append(lambda: _export(watched, report))
    found = []
    for check in checks:
        try:
            found += check()
        except Exception as error:
            found.append(f"fails: {type(error).__name__}: {error}"[:300])
    return found


def shapes_within(model: nn.Module, arguments: Arguments) -> dict[str, Any]:
    """Shapes of the output, under ``""``, and of what each module gives, by the host's names."""
    found: dict[str, Any] = {}
    handles = []
    for name, module in model.named_modules():

        def note(module: Any, args: Any, output: Any, name: str = name) -> None:
            found.setdefault(name, []).append(_described(output))

        handles.append(module.register_forward_hook(note))
    try:
        run(model, arguments)
    finally:
        for handle in handles:
            handle.remove()
    return found


def run(model: nn.Module, arguments: Arguments) -> Any:
    """The output in evaluation mode; the modes are left as they were."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        with torch.no_grad():
            return model.eval()(*arguments[0], **arguments[1])
    finally:
        for module, mode in modes:
            module.training = mode


def gradients(model: nn.Module, arguments: Arguments) -> set[str] | None:
    """Names of the parameters that a backward pass in training reaches; None where it fails."""
    trained = copy.deepcopy(model).train()
    with torch.random.fork_rng(devices=[]):
        try:
            outputs = leaves(trained(*arguments[0], **arguments[1]))
            sum(out.float().square().mean() for out in outputs if out.requires_grad).backward()
        except Exception:
            return None
    return {name for name, p in trained.named_parameters() if p.grad is not None}


def total(model: nn.Module) -> int:
    """Numbers in the parameters; a shared one counts once."""
    return sum(p.numel() for p in {id(p): p for p in model.parameters()}.values())


def count_macs(model: nn.Module, arguments: Arguments) -> int:
    """Multiply-accumulates, by torch's counter."""
    with FlopCounterMode(display=False) as counter:
        run(model, arguments)
    return counter.get_total_flops() // 2


def leaves(tree: Any) -> list[torch.Tensor]:
    """All tensors in an output."""
    if isinstance(tree, torch.Tensor):
        return [tree]
    if isinstance(tree, dict):
        return [leaf for value in tree.values() for leaf in leaves(value)]
    if isinstance(tree, (list, tuple)):
        return [leaf for value in tree for leaf in leaves(value)]
    return leaves(vars(tree)) if hasattr(tree, "__dict__") else []


def _described(tree: Any) -> Any:
    return type(tree).__name__, [tuple(leaf.shape) for leaf in leaves(tree)]


def _equal(a: Any, b: Any) -> bool:
    return torch.equal(a, b) or bool(torch.allclose(a, b, rtol=0, atol=0, equal_nan=True))


def _within_one(model: nn.Module, arguments: Arguments) -> list[bool]:
    """Whether each output stays within 0 and 1, however large the images' numbers."""
    loud = tree_map(lambda x: 1e4 * x if isinstance(x, torch.Tensor) else x, arguments)
    return [bool(((out >= 0) & (out <= 1)).all()) for out in leaves(run(model, loud))]


def _shapes(watched: Watched, report: surgery.SurgeryReport) -> list[str]:
    """The output's type and shapes, and those of all modules that are not in or around a block."""
    found = []
    places = {name for change in report.changes for name in change.place}
    for arguments, before in zip(watched.sizes, watched.shapes, strict=True):
        after = shapes_within(report.model, arguments)
        if after[""] != before[""]:
            found.append(f"the output was {before['']} and is {after['']}")
        for name, shape in before.items():
            made_way = any(f"{name}.".startswith(f"{place}.") for place in places)
            if name in after and after[name] != shape and not made_way:
                found.append(f"{name} gave {shape} and gives {after[name]}"[:200])
    return found[:3]


def _range(watched: Watched, report: surgery.SurgeryReport) -> list[str]:
    now = _within_one(report.model, watched.sizes[0])
    lost = [i for i, (a, b) in enumerate(zip(watched.within_one, now, strict=True)) if a and not b]
    return [f"output {lost[0]} was within 0 and 1 and is no longer"] if lost else []


def _training(watched: Watched, report: surgery.SurgeryReport) -> list[str]:
    """Forward and backward in training, at both sizes: what had a gradient has one."""
    if watched.trained is None:
        return []
    found = []
    for arguments in watched.sizes:
        reached = gradients(report.model, arguments)
        if reached is None:
            if gradients(watched.model, arguments) is not None:
                found.append("does not train")
            continue
        own = {name.replace("host.", "") for name in reached}
        names = {name.replace("host.", "") for name, _ in report.model.named_parameters()}
        lost = sorted((watched.trained & names) - own)
        if lost:
            found.append(f"{lost[0]} lost its gradient")
        found += _without_gradient(report, reached)
    return found[:3]


def _without_gradient(report: surgery.SurgeryReport, reached: set[str]) -> list[str]:
    """Blocks none of whose weights has a gradient."""
    found = []
    for block in blocks_in(report):
        own = {id(p) for p in block.parameters()}
        names = {name for name, p in report.model.named_parameters() if id(p) in own}
        if names and not names & reached:
            found.append(f"no weight of {type(block).__name__} has a gradient")
    return found


def blocks_in(report: surgery.SurgeryReport) -> list[nn.Module]:
    """The outermost modules of the types that the report says were put in."""
    types = {change.new for change in report.changes}
    found: list[nn.Module] = []
    inside: set[int] = set()
    for module in report.model.modules():
        if type(module).__name__ in types and id(module) not in inside:
            found.append(module)
            inside |= {id(part) for part in module.modules()}
    return found


def _counts(watched: Watched, report: surgery.SurgeryReport) -> list[str]:
    counted = {
        "parameters before": (report.parameters_before, watched.parameters),
        "parameters after": (report.parameters_after, total(report.model)),
        "MACs before": (report.macs_before, watched.macs),
        "MACs after": (report.macs_after, count_macs(report.model, watched.sizes[0])),
        "blocks": (len(report.changes), len(blocks_in(report))),
    }
    return [
        f"{what}: the report says {said}, there are {are}"
        for what, (said, are) in counted.items()
        if said != are
    ]


def _copies(
    watched: Watched, report: surgery.SurgeryReport, again: Callable[[], nn.Module]
) -> list[str]:
    """A deep copy, and a network made again by the recipe with the weights, give the same."""
    arguments = watched.sizes[-1]
    expected = leaves(run(report.model, arguments))
    other = surgery.apply(again(), report.recipe, inplace=True)
    other.load_state_dict(report.model.state_dict())
    found = []
    for what, model in (("a deep copy", copy.deepcopy(report.model)), ("the recipe", other)):
        results = leaves(run(model, arguments))
        if not all(map(_equal, results, expected)):
            found.append(f"{what} gives another output")
    return found


def _export(watched: Watched, report: surgery.SurgeryReport) -> list[str]:
    args, kwargs = watched.sizes[0]
    try:
        torch.export.export(watched.model.eval(), args, kwargs)
    except Exception:
        return []  # The host itself does not.
    finally:
        for module, mode in zip(watched.model.modules(), watched.modes, strict=True):
            module.training = mode
    model = copy.deepcopy(report.model).eval()
    exported = torch.export.export(model, args, kwargs).module()
    pairs = zip(leaves(exported(*args, **kwargs)), leaves(run(model, (args, kwargs))), strict=True)
    close = all(torch.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in pairs)
    return [] if close else ["the exported network gives another output"]
