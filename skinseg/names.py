"""Names of networks, weights and options: their grammar, wildcards, and hints for mistyped ones."""

import difflib
import fnmatch
from collections.abc import Iterable

RECIPE_NETWORKS = {
    "paper-egeunet": "egeunet",
    "paper-lmsaunet": "lmsaunet",
    "paper-malunet": "malunet",
    "skinseg": None,
}
"""The recipes of `skinseg.training`, and the network that each was published for."""


def split_name(name: str) -> tuple[str, str]:
    """Split ``arch.tag`` into the two; the tag is empty where there is none.

    Example:
        >>> split_name("egeunet.isic2017"), split_name("egeunet")
        (('egeunet', 'isic2017'), ('egeunet', ''))
    """
    arch, _, tag = name.partition(".")
    return arch, tag


def matches(name: str, patterns: str | Iterable[str]) -> bool:
    """Tell whether a name fits a wildcard pattern, or one of several.

    As in timm, a pattern without a tag fits every tag of the names that it fits.

    Example:
        >>> matches("egeunet", "ege*"), matches("egeunet", ["mal*", "u*"])
        (True, False)
        >>> matches("egeunet.isic2017", "egeunet"), matches("egeunet.isic2017", "egeunet.mine")
        (True, False)
    """
    arch, _ = split_name(name)
    return any(
        fnmatch.fnmatchcase(name, pattern)
        or ("." not in pattern and fnmatch.fnmatchcase(arch, pattern))
        for pattern in as_patterns(patterns)
    )


def as_patterns(patterns: str | Iterable[str]) -> list[str]:
    """Return one pattern or several as a list; the empty string is no pattern, as in timm.

    Example:
        >>> as_patterns("ege*"), as_patterns(("a", "b")), as_patterns("")
        (['ege*'], ['a', 'b'], [])
    """
    if isinstance(patterns, str):
        return [patterns] if patterns else []
    return list(patterns)


def near_matches(name: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """Return the hint of an error message: what the user may have meant.

    Args:
        name: What the user wrote.
        known: What there is.
        otherwise: Hint where nothing is near; by default the list of all that there is.

    Example:
        >>> near_matches("malunett", ["malunet", "segnet"])
        'did you mean malunet?'
        >>> near_matches("x", ["malunet", "segnet"])
        'there are: malunet, segnet'
    """
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return otherwise or f"there are: {', '.join(known) or 'none'}"


def refuse_unknown(
    given: Iterable[str], known: Iterable[str], taker: str, noun: str = "argument"
) -> None:
    """Raise a TypeError if something is given a name that it does not take.

    Args:
        given: Names that the user wrote.
        known: Names that there are.
        taker: What is given them, for the message: a network's or a block's name.
        noun: What the names are names of.

    Raises:
        TypeError: If a name is unknown, with what it may have meant.

    Example:
        >>> refuse_unknown(["clases"], ["classes", "channels"], "malunet")
        Traceback (most recent call last):
        TypeError: malunet takes no argument 'clases'; did you mean classes or channels?
    """
    known = set(known)
    for name in given:
        if name not in known:
            raise TypeError(f"{taker} takes no {noun} {name!r}; {near_matches(name, known)}")
