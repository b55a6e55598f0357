"""The graph that is written into a file: the fast form of a network, in operators of ATen."""

import copy
import dataclasses
from typing import Any

import torch
from torch import fx, nn

from skinseg.exporting.reductions import average_row_by_row
from skinseg.exporting.rules import (
    bicubic_as_products,
    conv1d_as_conv2d,
    infer_batch_of_reshapes,
    split_group_norms,
)
from skinseg.models.input_check import MIN_SIZE
from skinseg.optimization.derive import RULES, Rule, derive
from skinseg.optimization.rules.affine import fold_affine
from skinseg.optimization.rules.constants import fold_constants
from skinseg.optimization.rules.depthwise import join_depthwise
from skinseg.optimization.rules.gating import multiply_gates_apart
from skinseg.optimization.rules.pooling import pool_before_affine, pool_before_norm

# Of the rules of the fast form, these three are torch's alone. Other runtimes add up a map's values
# one after the other, and the variance that is the difference of two means then lacks digits. They
# have fast kernels for dilated depthwise convolutions: with joined ones MALUNet takes ONNX Runtime
# 1.4 times as long. And their maps have one layout.
_TORCHS_OWN = (pool_before_norm, join_depthwise, multiply_gates_apart)
_DERIVING = [rule for rule in RULES if rule not in _TORCHS_OWN]

_RULES: tuple[Rule, ...] = (
    infer_batch_of_reshapes,
    bicubic_as_products,
    conv1d_as_conv2d,
    split_group_norms,
    fold_affine,
    pool_before_affine,
)


def fast_graph(
    model: nn.Module, size: tuple[int, int], in_chans: int, *rules: Rule
) -> fx.GraphModule:
    """Return the fast form of a network for one size, as runtimes other than torch like it.

    Args:
        model: Network; it is not changed.
        size: Height and width of the images.
        in_chans: Channels of the images.
        *rules: What else to rewrite.

    Returns:
        Module that maps (B, in_chans, *size), for any B, to logits; its constants are buffers.
    """
    graph = derive(model, size, in_chans, rules=_DERIVING)
    for rule in (*_RULES, *rules, average_row_by_row, fold_constants):
        rule(graph)
    return _compact(graph)


def _compact(module: fx.GraphModule) -> fx.GraphModule:
    """Copy a graph with the constants that it reads, and no others."""
    constants = nn.Module()
    for node in module.graph.nodes:
        if node.op == "get_attr":
            tensor = getattr(module, str(node.target)).detach()
            # ExecuTorch compares strides, and those of a transposed tensor (C, 1) are not plain,
            # though it counts as contiguous.
            plain = tensor.clone(memory_format=torch.contiguous_format)
            constants.register_buffer(str(node.target), plain)
    graph = fx.Graph()
    graph.output(graph.graph_copy(module.graph, {}))
    return fx.GraphModule(constants, graph)


def published(model: nn.Module) -> nn.Module:
    """Return a copy of a network in evaluation mode, on the CPU and in single precision."""
    return copy.deepcopy(model).cpu().float().eval()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """What is written into a file.

    Attributes:
        module: Of one input and one output, in evaluation mode.
        example: An input.
        dynamic: Dimensions of the input that may have any size, as ``torch.export`` has them.
    """

    module: nn.Module
    example: torch.Tensor
    dynamic: dict[int, Any]

    def program(self) -> torch.export.ExportedProgram:
        """Return the module as an exported program."""
        with torch.no_grad():
            return torch.export.export(self.module, (self.example,), dynamic_shapes=(self.dynamic,))


def take_small_images(program: torch.export.ExportedProgram) -> None:
    """Let a program of any size take images down to the smallest side, in place.

    While it traces, torch.export takes it for granted that no map is one position wide, and keeps
    that as limits of the input's sides and as guards, though the operators that it writes do not
    depend on it. That they do not is found out by running the file at the smallest size.
    """
    for side, limits in program.range_constraints.items():
        if limits.lower > MIN_SIZE:
            program.range_constraints[side] = type(limits)(MIN_SIZE, limits.upper)
    getattr(program, "_guards_code", []).clear()
