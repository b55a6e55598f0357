"""What LMSAUNet's text may mean by ECDF blocks in SegNet and in TransUNet: every reading of it."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import nn

import skinseg

Replacement = Callable[[nn.Module, int], None]


@dataclasses.dataclass(frozen=True)
class Reading:
    """What is replaced in which network, and how to do it for a given N."""

    host: str
    what: str
    replace: Replacement


def ecdf(in_chans: int, out_chans: int, compression: int) -> nn.Module:
    return skinseg.create_block("ecdf", in_chans, out_chans, compression=compression)


def widths(stage: nn.Module) -> tuple[int, int]:
    """Channels before and after a stage of convolutions."""
    convs = [module for module in stage.modules() if isinstance(module, nn.Conv2d)]
    return convs[0].in_channels, convs[-1].out_channels


def segnet_stages(net: nn.Module) -> list[tuple[nn.ModuleList, int]]:
    """Where the ten stages stand, in the order of computation."""
    return [(part, index) for part in (net.encoder.stages, net.decoder) for index in range(5)]


def whole_stages(chosen: Iterable[int]) -> Replacement:
    """One block for each chosen stage."""

    def replace(net: nn.Module, compression: int) -> None:
        for part, index in (segnet_stages(net)[stage] for stage in chosen):
            part[index] = ecdf(*widths(part[index]), compression)

    return replace


def each_convolution(chosen: Iterable[int]) -> Replacement:
    """One block for each convolution of the chosen stages."""

    def replace(net: nn.Module, compression: int) -> None:
        for part, index in (segnet_stages(net)[stage] for stage in chosen):
            units = [ecdf(*widths(unit), compression) for unit in part[index]]
            part[index] = nn.Sequential(*units)

    return replace


def bottleneck_then_pool(net: nn.Module, compression: int) -> None:
    """A block in the place of each bottleneck, max-pooling after it."""
    for index, stage in enumerate(net.encoder.stages):
        block = ecdf(stage.compress.conv.in_channels, stage.expand.conv.out_channels, compression)
        net.encoder.stages[index] = nn.Sequential(block, nn.MaxPool2d(2))


def pool_then_bottleneck(net: nn.Module, compression: int) -> None:
    """The same with max-pooling before the block."""
    bottleneck_then_pool(net, compression)
    for index, (block, pool) in enumerate(net.encoder.stages):
        net.encoder.stages[index] = nn.Sequential(pool, block)


def inner_convolution(net: nn.Module, compression: int) -> None:
    """A block and max-pooling in the place of each bottleneck's 3x3 convolution alone."""
    for stage in net.encoder.stages:
        width = stage.downsample.conv.out_channels
        stage.downsample = nn.Sequential(ecdf(width, width, compression), nn.MaxPool2d(2))


def after_transformer(net: nn.Module, compression: int) -> None:
    """A block in the place of the convolution after the transformer."""
    net.encoder.reduce = ecdf(*widths(net.encoder.reduce), compression)


def decoder(net: nn.Module, compression: int) -> None:
    """A block in the place of each pair of convolutions of the decoder."""
    for index, stage in enumerate(net.decoder):
        net.decoder[index] = ecdf(*widths(stage), compression)


def mlps(net: nn.Module, compression: int) -> None:
    """A block in the place of each transformer block's linear layers."""
    for block in net.encoder.transformer.blocks:
        block.mlp = OnTokens(ecdf(*[block.mlp[0].in_features] * 2, compression))


def shallower(net: nn.Module, compression: int) -> None:
    """Six transformer blocks instead of eight; no replacement, but a size its public code has."""
    net.encoder.transformer.blocks = net.encoder.transformer.blocks[:6]


class OnTokens(nn.Module):
    """A block for feature maps, on the tokens after the class token."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Transform the tokens ``x`` (B, 1 + side * side, dim)."""
        side = int((x.shape[1] - 1) ** 0.5)
        grid = x[:, 1:].transpose(1, 2).unflatten(2, (side, side))
        return torch.cat([x[:, :1], self.block(grid).flatten(2).transpose(1, 2)], dim=1)


def together(*parts: Replacement) -> Replacement:
    def replace(net: nn.Module, compression: int) -> None:
        for part in parts:
            part(net, compression)

    return replace


def readings() -> Iterator[Reading]:
    """Every reading that is tried."""
    placements = {
        "every stage": range(10),
        "every stage but the last": range(9),
        "every stage but the first and the last": range(1, 9),
        "the encoder's stages": range(5),
        "the decoder's stages": range(5, 10),
    }
    for name, chosen in placements.items():
        yield Reading("segnet", f"{name}, a block each", whole_stages(chosen))
    for name, chosen in placements.items():
        yield Reading("segnet", f"{name}, a block each convolution", each_convolution(chosen))
    rest = (after_transformer, decoder)
    parts = {
        "encoder": (bottleneck_then_pool, after_transformer),
        "decoder": (decoder,),
        "encoder and decoder": (bottleneck_then_pool, *rest),
        "encoder (pooling first) and decoder": (pool_then_bottleneck, *rest),
        "encoder but not after the transformer, and decoder": (bottleneck_then_pool, decoder),
        "encoder's 3x3 convolutions alone, and decoder": (inner_convolution, *rest),
        "encoder, transformer's linear layers, decoder": (bottleneck_then_pool, mlps, *rest),
        "encoder and decoder, with six transformer blocks": (
            bottleneck_then_pool,
            shallower,
            *rest,
        ),
    }
    for name, chosen in parts.items():
        yield Reading("transunet_small", name, together(*chosen))
