"""Which modules of a network are meant: by their names or their types."""

import dataclasses
import re
from collections.abc import Callable

from torch import nn

from skinseg.names import near_matches
from skinseg.surgery.trace import Trace, childless


@dataclasses.dataclass(frozen=True)
class Site:
    """A place for one block.

    Attributes:
        parts: Names of the modules that make way for it, in the order in which they run; the
            first one's input is the block's, the last one's output is the block's.
    """

    parts: tuple[str, ...]

    def holds(self, name: str) -> bool:
        """Whether a module is in it."""
        return any(name == part or name.startswith(f"{part}.") for part in self.parts)

    def covers(self, other: "Site") -> bool:
        """Whether all of another place is in this one."""
        return all(self.holds(part) for part in other.parts)

    def touches(self, other: "Site") -> bool:
        """Whether a module is in both."""
        return any(map(self.holds, other.parts)) or any(map(other.holds, self.parts))


class Selector:
    """Finds places in a network. ``a | b``: those of either; ``a & b``: those of a that b has, too.

    A module is among those of ``b`` also if all of its innermost parts are: ``conv_run() &
    by_name("bottleneck.**")`` has the row that fills ``bottleneck``.

    Of two places one of which is in the other, the outer one counts; of two that overlap
    otherwise, the first.

    Example:
        >>> by_type(nn.Conv2d) & by_name("decoder.**")
        by_type(Conv2d) & by_name('decoder.**')
    """

    def __init__(self, find: Callable[[Trace], list[Site]], description: str) -> None:
        """Make a selector of one's own.

        Args:
            find: From a recorded forward pass to the places.
            description: How error messages and reports call it.
        """
        self.find = find
        self.description = description

    def __call__(self, trace: Trace) -> list[Site]:
        """Return the places, none of them in another, in the order of the network's modules."""
        order = {name: index for index, name in enumerate(trace.names)}
        sites = sorted(set(self.find(trace)), key=lambda site: order[site.parts[0]])
        chosen: list[Site] = []
        for site in sites:
            inner = any(other != site and other.covers(site) for other in sites)
            if not inner and not any(site.touches(other) for other in chosen):
                chosen.append(site)
        return chosen

    def __or__(self, other: "Selector") -> "Selector":
        return Selector(lambda trace: self(trace) + other(trace), f"{self!r} | {other!r}")

    def __and__(self, other: "Selector") -> "Selector":
        def find(trace: Trace) -> list[Site]:
            known = {part for site in other.find(trace) for part in site.parts}
            return [
                site
                for site in self.find(trace)
                if all(_is_among(part, known, trace) for part in site.parts)
            ]

        return Selector(find, f"{self!r} & {other!r}")

    def __repr__(self) -> str:
        return self.description


def _is_among(name: str, known: set[str], trace: Trace) -> bool:
    """Whether a module is known, or all of its innermost parts are."""
    inner = [
        part
        for part, module in trace.names.items()
        if part.startswith(f"{name}.") and childless(module)
    ]
    return name in known or (bool(inner) and known.issuperset(inner))


def by_name(*patterns: str) -> Selector:
    """Select modules by their names in ``named_modules()``.

    Args:
        *patterns: Names. ``*`` stands for anything within one level, ``**`` for any levels.

    Example:
        >>> from skinseg.surgery.trace import trace
        >>> import torch
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Sequential(nn.Conv2d(8, 8, 1)))
        >>> [site.parts for site in by_name("1.*")(trace(net, [torch.zeros(1, 3, 8, 8)]))]
        [('1.0',)]
    """
    wanted = [re.compile(_regular_expression(pattern)) for pattern in patterns]

    def find(trace: Trace) -> list[Site]:
        return [Site((name,)) for name in trace.names if any(w.fullmatch(name) for w in wanted)]

    return Selector(find, f"by_name({', '.join(map(repr, patterns))})")


def by_type(*types: type[nn.Module]) -> Selector:
    """Select modules by their types, subclasses included.

    Args:
        *types: Module types.

    Example:
        >>> by_type(nn.Conv2d, nn.Linear)
        by_type(Conv2d, Linear)
    """

    def find(trace: Trace) -> list[Site]:
        return [Site((name,)) for name, part in trace.names.items() if isinstance(part, types)]

    return Selector(find, f"by_type({', '.join(kind.__name__ for kind in types)})")


def as_selector(where: Selector | str | nn.Module, model: nn.Module) -> Selector:
    """A string is a name, and a module of the network stands for its own.

    Raises:
        TypeError: If it is anything else.
    """
    if isinstance(where, Selector):
        return where
    if isinstance(where, str):
        return by_name(where)
    if isinstance(where, nn.Module):
        names = [name for name, module in model.named_modules() if module is where and name]
        if not names:
            raise TypeError(f"this {type(where).__name__} is no module of the network")
        return by_name(names[0])
    if isinstance(where, type) and issubclass(where, nn.Module):
        raise TypeError(
            f"a place is a selector or a name; by_type({where.__name__}) selects a type"
        )
    raise TypeError(f"a place is a selector or a name, not {where!r}; by_name takes several names")


def _regular_expression(pattern: str) -> str:
    parts = re.split(r"(\*\*|\*)", pattern)
    stand_for = {"**": ".*", "*": r"[^.]*"}
    return "".join(stand_for.get(part, re.escape(part)) for part in parts)


def nothing_selected(selector: Selector, model: nn.Module) -> str:
    """What an error says when a selector found no place."""
    named = re.findall(r"'([^']+)'", selector.description)
    hint = _other_name(named, model) or near_matches(
        " ".join(named), dict(model.named_modules()), "print(network) shows its modules"
    )
    return f"{selector!r} selects nothing in this network; {hint}"


def _other_name(patterns: list[str], model: nn.Module) -> str:
    """A hint for a second name of a shared module, and for one without a wrapper's prefix."""
    names = {module: name for name, module in model.named_modules()}
    for pattern in patterns:
        wanted = re.compile(_regular_expression(pattern))
        for name, module in model.named_modules(remove_duplicate=False):
            if wanted.fullmatch(name):
                return f"{name} is a second name of {names[module]}: select that"
            if wanted.fullmatch(name.removeprefix("module.")):
                kind = type(model).__name__
                return f"the names of a network in {kind} begin with module.: {name}"
    return ""
