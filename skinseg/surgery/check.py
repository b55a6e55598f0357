"""Whether a network still trains: a forward and a backward pass on a copy of it."""

import copy
from collections.abc import Sequence

import torch
from torch import nn

from skinseg.surgery.example import Example
from skinseg.surgery.fit import SurgeryError, told
from skinseg.surgery.trace import tensors


def copied(model: nn.Module) -> nn.Module:
    """Return a deep copy; tensors that a past forward pass left in attributes are detached.

    Raises:
        SurgeryError: If it cannot be copied.
    """
    # torch copies no tensor with a history: a weight that weight_norm computed, a kept map.
    left = [tensor for module in model.modules() for tensor in tensors(vars(module))]
    memo = {id(tensor): tensor.detach().clone() for tensor in left if tensor.grad_fn is not None}
    try:
        return copy.deepcopy(model, memo)
    except Exception as error:
        raise SurgeryError(
            f"the network cannot be copied ({told(error)}); inplace=True with check=False operates "
            "on itself"
        ) from error


def check_training(
    model: nn.Module,
    untouched: nn.Module,
    example: Example,
    places: Sequence[tuple[str, nn.Module]],
) -> str | None:
    """Run a network forward and backward on a copy, in training mode.

    Where the untouched network cannot, evaluation mode is tried; where it has no gradient then
    either, nothing can be told.

    Args:
        model: The network with the blocks in it.
        untouched: The network without.
        example: What to run it with.
        places: The blocks, and what to call their places.

    Returns:
        None if all is well, else why it could not be checked.

    Raises:
        SurgeryError: If it fails where the untouched network does not, or no gradient reaches a
            block.
    """
    reason = ""
    for training in (True, False):
        network = copied(model)
        try:
            _backward(network, example, training)
        except Exception as error:
            reason = _reason(untouched, example, training)
            if not reason:
                raise SurgeryError(_failed(error)) from error
        else:
            _check_gradients(model, network, places)
            return None
    return f"not checked in training: without blocks the network fails there, too ({reason})"


def _backward(model: nn.Module, example: Example, training: bool) -> None:
    model.train(training)
    devices = {p.device for p in model.parameters() if p.device.type == "cuda"}
    with torch.random.fork_rng(devices=list(devices)), torch.enable_grad():
        results = [t for t in tensors(example.run(model)) if t.requires_grad]
        if not results:
            raise ValueError("no output has a gradient")
        torch.autograd.backward([result.abs().square().mean() for result in results])


def _reason(model: nn.Module, example: Example, training: bool) -> str:
    try:
        _backward(copied(model), example, training)
    except Exception as error:
        return told(error)
    return ""


def _failed(error: Exception) -> str:
    hint = ""
    if isinstance(error, RuntimeError):  # What torch raises for maps that are written over.
        hint = (
            ". If the network writes over what a block gave and needs for its gradient, turn "
            "inplace=True of the activation after it off, or select that activation as well"
        )
    return f"with the blocks the network fails in training: {told(error)}{hint}"


def _check_gradients(
    model: nn.Module, trained: nn.Module, places: Sequence[tuple[str, nn.Module]]
) -> None:
    names = {id(module): name for name, module in model.named_modules()}
    for place, block in places:
        weights = [p for p in trained.get_submodule(names[id(block)]).parameters()]
        if weights and all(weight.grad is None for weight in weights if weight.requires_grad):
            raise SurgeryError(
                f"no gradient reaches the block at {place}: the network does not use what it "
                "gives, or runs it without gradients"
            )
