"""Running a graph operator by operator, with as little between the operators as Python allows."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import fx

from skinseg.optimization.graph import Target, aten

# Functions of torch's C extension in place of its operator objects: the same kernels, called with
# a third of the overhead.
_FUNCTIONS: dict[Target, Callable[..., Any]] = {
    aten.add.Tensor: torch.add,
    aten.amax.default: torch.amax,
    aten.cat.default: torch.cat,
    aten.conv1d.default: torch.conv1d,
    aten.conv2d.default: torch.conv2d,
    aten.div.Tensor: torch.div,
    aten.flatten.using_ints: torch.flatten,
    aten.gelu.default: torch._C._nn.gelu,
    aten.group_norm.default: torch.group_norm,
    aten.linear.default: torch._C._nn.linear,
    aten.matmul.default: torch.matmul,
    aten.max_pool2d.default: torch.max_pool2d,
    aten.mean.dim: torch.mean,
    aten.mul.Tensor: torch.mul,
    aten.permute.default: torch.permute,
    aten.relu.default: torch.relu,
    aten.reshape.default: torch.reshape,
    aten.rsqrt.default: torch.rsqrt,
    aten.sigmoid.default: torch.sigmoid,
    aten.softmax.int: torch.softmax,
    aten.split_with_sizes.default: torch.split_with_sizes,
    aten.sqrt.default: torch.sqrt,
    aten.sub.Tensor: torch.sub,
    aten.sum.dim_IntList: torch.sum,
    aten.transpose.int: torch.transpose,
    aten.unsqueeze.default: torch.unsqueeze,
    aten.upsample_bicubic2d.vec: torch._C._nn.upsample_bicubic2d,
    aten.upsample_bilinear2d.vec: torch._C._nn.upsample_bilinear2d,
}

Function = Callable[[torch.Tensor], torch.Tensor]


def _placed(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    if tensor.is_mkldnn:
        return tensor
    tensor = tensor.to(device)
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def as_function(module: fx.GraphModule, device: torch.device) -> Function:
    """Return the module as a plain function of the batch.

    Args:
        module: Graph of one input and one result; its nodes are changed.
        device: Where its constants go.
    """
    for node in module.graph.nodes:
        if node.op == "call_function":
            node.target = _FUNCTIONS.get(node.target, node.target)
    constants = SimpleNamespace(
        **{name: _placed(tensor, device) for name, tensor in module.named_buffers()}
    )
    code = module.graph.python_code("self")
    namespace = dict(code.globals)
    exec(compile(code.src, "<the fast form of a network>", "exec"), namespace)
    forward = namespace["forward"]

    def run(x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            x = x.contiguous(memory_format=torch.channels_last)
            output: torch.Tensor = forward(constants, x)
        return output

    return run
