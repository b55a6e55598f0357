"""Renaming the weights of the authors' checkpoints to this package's names."""

import re
from collections.abc import Callable, Sequence

from skinseg.checkpoint import StateDict

Rule = tuple[str, str | Callable[[re.Match[str]], str]]


def rename(state: StateDict, rules: Sequence[Rule]) -> StateDict:
    r"""Apply every (pattern, replacement) in turn to each name.

    Example:
        >>> rename({"final.weight": 0}, [(r"^final\.", "head.")])
        {'head.weight': 0}
    """
    renamed = {}
    for key, value in state.items():
        for pattern, replacement in rules:
            key = re.sub(pattern, replacement, key)
        renamed[key] = value
    return renamed


def numbered(template: str, offset: int = -1, sign: int = 1) -> Callable[[re.Match[str]], str]:
    r"""Replacement that writes ``offset + sign * <first group>`` into ``template``.

    Example:
        >>> rename({"stage4.bias": 0}, [(r"^stage(\d)", numbered("stages.{}"))])
        {'stages.3.bias': 0}
    """
    return lambda match: template.format(offset + sign * int(match[1]))


# The shell that MALUNet and EGE-UNet have in common.
SIX_STAGE_RULES: list[Rule] = [
    (r"^encoder(\d)", numbered("encoder.stages.{}.block")),
    (r"^ebn(\d)", numbered("encoder.stages.{}.norm")),
    (r"^decoder(\d)", numbered("decoder.{}.block")),
    (r"^dbn(\d)", numbered("decoder.{}.norm")),
    (r"\.block\.0\.(weight|bias)$", r".block.\1"),
    (r"^final\.", "head."),
]
