"""Attention blocks, each alone in its file and usable in any network on NCHW feature maps."""

import inspect
from collections.abc import Iterable, Sequence
from typing import Any

from torch import nn

from skinseg.blocks.cab import ChannelAttentionBridge
from skinseg.blocks.cmrf import CascadeMultiReceptiveFields
from skinseg.blocks.cmunext import CMUNeXtBlock
from skinseg.blocks.dga import DilatedGatedAttention
from skinseg.blocks.ea import ExternalAttention
from skinseg.blocks.ecdf import ECDF
from skinseg.blocks.gab import GroupAggregationBridge
from skinseg.blocks.ghpa import GroupedHadamardProductAttention
from skinseg.blocks.gsa import GroupShuffleAttention
from skinseg.blocks.iea import InvertedExternalAttention
from skinseg.blocks.mamba import Mamba
from skinseg.blocks.mkir import MultiKernelInvertedResidual
from skinseg.blocks.mucm import MambaUCMBlock
from skinseg.blocks.pvm import ParallelVisionMamba
from skinseg.blocks.sab import SpatialAttentionBridge
from skinseg.blocks.scab import ChannelSpatialAttentionBridge
from skinseg.blocks.shifted_mlp import TokenizedShiftedMLP
from skinseg.blocks.ucm import UCMBlock
from skinseg.names import near_matches, refuse_unknown

BLOCKS: dict[str, type[nn.Module]] = {
    "cab": ChannelAttentionBridge,
    "cmrf": CascadeMultiReceptiveFields,
    "cmunext": CMUNeXtBlock,
    "dga": DilatedGatedAttention,
    "ea": ExternalAttention,
    "ecdf": ECDF,
    "gab": GroupAggregationBridge,
    "ghpa": GroupedHadamardProductAttention,
    "gsa": GroupShuffleAttention,
    "iea": InvertedExternalAttention,
    "mamba": Mamba,
    "mkir": MultiKernelInvertedResidual,
    "mucm": MambaUCMBlock,
    "pvm": ParallelVisionMamba,
    "sab": SpatialAttentionBridge,
    "scab": ChannelSpatialAttentionBridge,
    "shifted_mlp": TokenizedShiftedMLP,
    "ucm": UCMBlock,
}


def list_blocks() -> list[str]:
    """Return the names that :func:`create_block` knows, sorted.

    Example:
        >>> "dga" in list_blocks()
        True
    """
    return sorted(BLOCKS)


def create_block(
    name: str, in_chans: int | Sequence[int], out_chans: int | None = None, **kwargs: Any
) -> nn.Module:
    """Make an attention block by its acronym.

    Args:
        name: One of :func:`list_blocks`, in any case.
        in_chans: Channels of the input; for the bridges ``cab``, ``sab`` and ``scab`` also a
            sequence, one entry per feature map.
        out_chans: Channels of the output; those of the input by default. The bridges ``cab``,
            ``sab`` and ``scab`` keep each map's channels and take none.
        **kwargs: The block's own options; unknown ones are refused.

    Raises:
        ValueError: If the name is unknown, or a number of channels less than 1.
        TypeError: If the block does not take an option, or the name is no string.

    Example:
        >>> import torch
        >>> create_block("ecdf", 64, 128)(torch.randn(1, 64, 8, 8)).shape
        torch.Size([1, 128, 8, 8])
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be one of {', '.join(BLOCKS)}, not {name!r}")
    block = block_class(name)
    if out_chans is not None:
        kwargs["out_chans"] = out_chans
    refuse_unknown_options(block, kwargs)
    return block(in_chans, **kwargs)


def block_class(name: str) -> type[nn.Module]:
    """Return the class of a block by its name in ``BLOCKS``, in upper or lower case.

    Raises:
        ValueError: If there is no block of that name.
    """
    block = BLOCKS.get(name.lower())
    if block is None:
        raise ValueError(f"there is no block {name!r}; {near_matches(name.lower(), BLOCKS)}")
    return block


def refuse_unknown_options(block: type[nn.Module], options: Iterable[str]) -> None:
    """Raise a TypeError that names an option which a block does not take, and what it may mean.

    Example:
        >>> refuse_unknown_options(ECDF, ["compresion"])
        Traceback (most recent call last):
        TypeError: ECDF takes no option 'compresion'; did you mean compression?
    """
    known = inspect.signature(block).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        return
    # The width is the place's, and no option.
    refuse_unknown(
        options, [name for name in known if name != "in_chans"], block.__name__, "option"
    )


__all__ = [
    "CMUNeXtBlock",
    "CascadeMultiReceptiveFields",
    "ChannelAttentionBridge",
    "ChannelSpatialAttentionBridge",
    "DilatedGatedAttention",
    "ECDF",
    "ExternalAttention",
    "GroupAggregationBridge",
    "GroupedHadamardProductAttention",
    "GroupShuffleAttention",
    "InvertedExternalAttention",
    "Mamba",
    "MambaUCMBlock",
    "MultiKernelInvertedResidual",
    "ParallelVisionMamba",
    "SpatialAttentionBridge",
    "TokenizedShiftedMLP",
    "UCMBlock",
    "create_block",
    "list_blocks",
]
