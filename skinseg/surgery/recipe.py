"""What was done to a network, as JSON: each block, its place, its channels and its options."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from skinseg.blocks import BLOCKS
from skinseg.formatting import counted
from skinseg.names import near_matches
from skinseg.surgery.fit import Maker, SurgeryError
from skinseg.surgery.layout import check_layout
from skinseg.surgery.wrappers import Copy

Recipe = list[dict[str, Any]]

# The attribute of a network that a copy of it, a pickle and a second operation keep.
_ATTRIBUTE = "_surgery_steps"
_STAND_INS: dict[str, type[nn.Module]] = {"Identity": nn.Identity, "Copy": Copy}
# No network has more; a file that says so was not written by this package.
_MOST_STEPS = 10_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """One block that was put in.

    Attributes:
        kind: ``"replace"``, ``"after"`` or ``"before"``: what the block is to its place.
        place: Names of the modules that made way, or of the one that it stands beside.
        block: A name of :func:`skinseg.list_blocks`, or that of a class or function of one's own.
        own: Whether the block is of one's own, so that its name alone does not make it.
        channels: What the block was made from, besides its options.
        options: The block's options.
        layout: Layout of the maps, where it was named.
        stand_ins: What came to the places of the modules after the first.
        maps: Which maps pass the block.
        argument: Which argument passes the block, where it stands before its place.
    """

    kind: str
    place: tuple[str, ...]
    block: str
    own: bool = False
    channels: tuple[int | list[int], ...]
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    layout: str | None = None
    stand_ins: tuple[str, ...] = ()
    maps: int | str | list[int | str] | None = None
    argument: int | str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the step as JSON data, without what is as by default.

        Raises:
            SurgeryError: If JSON cannot hold an option of the block.
        """
        defaults = {f.name: f.default for f in dataclasses.fields(self)}
        step = {
            name: value
            for name, value in dataclasses.asdict(self).items()
            if value != defaults[name] and value != {}
        }
        try:
            data: dict[str, Any] = json.loads(json.dumps(step))
        except (TypeError, ValueError) as error:
            raise SurgeryError(
                f"what was done at {' + '.join(self.place)} cannot be written as JSON: options of "
                f"{self.block} must be numbers, strings, lists and the like ({error})"
            ) from error
        return data

    @classmethod
    def from_dict(cls, data: Any, source: str) -> "Step":
        """Read a step from JSON data; ``source`` is what errors call it.

        Raises:
            SurgeryError: If a key is unknown or missing, or a value of a wrong kind.
        """
        if not isinstance(data, dict):
            raise SurgeryError(f"{source} must be an object, not {data!r:.80}")
        for key in data:
            if key not in _CHECKS:
                raise SurgeryError(f"{source}: unknown key {key!r}; {near_matches(key, _CHECKS)}")
        for key in ("kind", "place", "block", "channels"):
            if key not in data:
                raise SurgeryError(f"{source}: the key {key!r} is missing")
        for key, value in data.items():
            fits, wanted = _CHECKS[key]
            if not fits(value):
                raise SurgeryError(f"{source}: {key!r} must be {wanted}, not {value!r:.80}")
        tuples = {
            key: tuple(data[key]) for key in ("place", "channels", "stand_ins") if key in data
        }
        return cls(**{**data, **tuples})

    def stand_in_modules(self) -> list[nn.Module]:
        """New modules for the places after the first."""
        return [_STAND_INS[name]() for name in self.stand_ins]


def block_name(block: str | Maker, options: dict[str, Any]) -> dict[str, Any]:
    """The fields of a :class:`Step` that say which block it is."""
    if isinstance(block, str):
        return {"block": block.lower(), "options": options}
    for name, known in BLOCKS.items():
        if block is known:
            return {"block": name, "options": options}
    name = getattr(block, "__name__", type(block).__name__)
    return {"block": name, "own": True, "options": options}


def stand_in_names(modules: Sequence[nn.Module]) -> tuple[str, ...]:
    """What a :class:`Step` calls them."""
    return tuple(type(module).__name__ for module in modules)


def steps_of(model: nn.Module) -> tuple[Step, ...]:
    """All that was done to a network, in order."""
    steps: tuple[Step, ...] = getattr(model, _ATTRIBUTE, ())
    return steps


def remember(model: nn.Module, steps: Sequence[Step]) -> None:
    """Add steps to those of a network."""
    setattr(model, _ATTRIBUTE, (*steps_of(model), *steps))


def recipe_of(model: nn.Module) -> Recipe:
    """Return all that was done to a network, as JSON data; empty for one without blocks put in.

    Args:
        model: A network, with blocks in it or without.

    Raises:
        SurgeryError: If JSON cannot hold an option of a block.

    Example:
        >>> recipe_of(nn.Conv2d(3, 8, 1))
        []
    """
    return [step.to_dict() for step in steps_of(model)]


def read_recipe(recipe: Any, source: str = "the recipe") -> list[Step]:
    """Check a recipe, whoever wrote it.

    Raises:
        SurgeryError: If it is no recipe.
    """
    if not isinstance(recipe, (list, tuple)):
        raise SurgeryError(f"{source} must be a list of steps, not {recipe!r:.80}")
    if len(recipe) > _MOST_STEPS:
        raise SurgeryError(
            f"{source} has {counted(len(recipe), 'step')}, and may have {_MOST_STEPS:,}"
        )
    return [
        Step.from_dict(step, f"step {number} of {source}")
        for number, step in enumerate(recipe, start=1)
    ]


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_key(value: Any) -> bool:
    return _is_int(value) or isinstance(value, str)


def _all(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, (list, tuple)) and len(value) > 0 and all(map(fits, value))
    )


def _is_width(value: Any) -> bool:
    return _is_int(value) and value > 0


def _is_width_or_list(value: Any) -> bool:
    return _is_width(value) or _all(_is_width)(value)


def _is_layout(value: Any) -> bool:
    try:
        check_layout(value)
    except (ValueError, TypeError):
        return False
    return True


_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "kind": (lambda v: v in ("replace", "after", "before"), '"replace", "after" or "before"'),
    "place": (_all(lambda v: isinstance(v, str)), "a list of names of modules"),
    "block": (lambda v: isinstance(v, str), "the name of a block"),
    "own": (lambda v: isinstance(v, bool), "true or false"),
    "channels": (
        _all(_is_width_or_list),
        "a list of numbers of channels",
    ),
    "options": (lambda v: isinstance(v, dict), "an object with the block's options"),
    "layout": (_is_layout, '"NCHW" or "NHWC"'),
    "stand_ins": (
        lambda v: isinstance(v, (list, tuple)) and all(name in _STAND_INS for name in v),
        f"a list of {' and '.join(_STAND_INS)}",
    ),
    "maps": (lambda v: _is_key(v) or _all(_is_key)(v), "numbers or names of maps"),
    "argument": (_is_key, "the place or name of an argument"),
}
