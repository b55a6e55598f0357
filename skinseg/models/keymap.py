"""Renaming the weights of the authors' checkpoints to this package's names."""

import re
from collections.abc import Callable, Sequence

import torch

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


# What MALUNet, EGE-UNet, LB-UNet and UltraLight VM-UNet call the same.
SIX_STAGE_RULES: list[Rule] = [
    (r"^encoder(\d)", numbered("encoder.stages.{}.block")),
    (r"^ebn(\d)", numbered("encoder.stages.{}.norm")),
    (r"^decoder(\d)", numbered("decoder.{}.block")),
    (r"^dbn(\d)", numbered("decoder.{}.norm")),
    (r"\.block\.0\.(weight|bias)$", r".block.\1"),
    (r"^final\.", "head."),
]

# The bridge of MALUNet, which UltraLight VM-UNet has too.
SCAB_RULES: list[Rule] = [
    (r"^scab\.satt\.shared_conv2d\.0\.", "bridge.sab.gate.conv."),
    (r"^scab\.catt\.get_all_att\.", "bridge.cab.mix."),
    (r"^scab\.catt\.att(\d)\.", numbered("bridge.cab.heads.{}.")),
]
# The layer of the Mamba package.
MAMBA_RULES: list[Rule] = [
    (r"\.mamba\.A_log$", ".mamba.log_rates"),
    (r"\.mamba\.D$", ".mamba.skip"),
    (r"\.mamba\.in_proj\.", ".mamba.enter."),
    (r"\.mamba\.conv1d\.", ".mamba.causal."),
    (r"\.mamba\.x_proj\.", ".mamba.select."),
    (r"\.mamba\.dt_proj\.", ".mamba.step."),
    (r"\.mamba\.out_proj\.", ".mamba.leave."),
]


def mamba_weight(key: str, value: torch.Tensor) -> torch.Tensor:
    """Return a weight of the Mamba package's layer as :class:`skinseg.blocks.mamba.Mamba` has it.

    Its linear layers are 1-D convolutions of kernel 1 here, and its rates of decay have a
    dimension for groups.

    Args:
        key: The weight's name after :data:`MAMBA_RULES`.
        value: The weight.
    """
    if key.endswith(".log_rates"):
        return value[None]
    return value[:, :, None] if value.ndim == 2 else value
