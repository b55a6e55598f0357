"""From a network to its fast form, by rules."""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import fx, nn

from skinseg.optimization.forms import use_forms
from skinseg.optimization.graph import remove_unused, trace
from skinseg.optimization.rules.affine import fold_affine, fold_batch_norms
from skinseg.optimization.rules.constants import fold_constants
from skinseg.optimization.rules.depthwise import join_depthwise
from skinseg.optimization.rules.gating import multiply_gates_apart, narrow_before_gating
from skinseg.optimization.rules.narrowing import narrow_before_enlarging
from skinseg.optimization.rules.pooling import pool_before_norm

Rule = Callable[[fx.GraphModule], None]

# In this order: what is folded first leaves plain convolutions for the rules that follow.
RULES: list[Rule] = [
    fold_constants,
    fold_batch_norms,
    fold_affine,
    narrow_before_gating,
    narrow_before_enlarging,
    pool_before_norm,
    join_depthwise,
    multiply_gates_apart,
]


def derive(
    model: nn.Module,
    size: tuple[int, int],
    in_chans: int = 3,
    *,
    rules: Sequence[Rule] = RULES,
) -> fx.GraphModule:
    """Return the fast form of a network for images of one size.

    Args:
        model: Network that maps (B, in_chans, H, W) to one tensor; it is not changed.
        size: Height and width of the images, in pixels.
        in_chans: Channels of the images.
        rules: What is rewritten, in order.

    Returns:
        A graph of ATen operators on the CPU, in evaluation mode and single precision, for any
        batch.
    """
    published = copy.deepcopy(model).cpu().float().eval()
    # What is computed once would keep the digits of a half precision for good.
    with torch.autocast("cpu", enabled=False):
        use_forms(published)
        module = trace(published, size, in_chans)
        for rule in rules:
            rule(module)
    remove_unused(module)
    module.graph.lint()
    module.recompile()
    return module
