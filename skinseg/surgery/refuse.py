"""Networks that cannot be operated on, whatever the block."""

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from skinseg.surgery.fit import SurgeryError

_SPREAD = {"DistributedDataParallel", "FullyShardedDataParallel", "FSDPModule"}


def refuse_unfit(model: nn.Module) -> None:
    """Check that a network is one that blocks can be put into.

    Raises:
        TypeError: If it is no module.
        SurgeryError: If it is compiled, scripted, spread over processes, or has lazy modules.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch module, not {_type(model)}")
    for path, module in model.named_modules():
        name = path or "the network"
        if isinstance(module, torch.jit.ScriptModule):
            raise SurgeryError(f"{name} is TorchScript; operate on its source")
        if hasattr(module, "_orig_mod"):
            raise SurgeryError(
                f"{name} is compiled; operate on what torch.compile was given (its _orig_mod), and "
                "compile the result"
            )
        spread = _SPREAD.intersection(kind.__name__ for kind in type(module).__mro__)
        if spread:
            # Each process would draw other weights, and none of them would be synchronized.
            raise SurgeryError(
                f"{name} is spread over processes ({spread.pop()}); operate on the network inside, "
                "with the same seed in each process, and wrap the result"
            )
        own = [*module._parameters.values(), *module._buffers.values()]
        if any(isinstance(value, (UninitializedParameter, UninitializedBuffer)) for value in own):
            raise SurgeryError(
                f"{name} is a lazy module ({_type(module)}) whose weights are not there yet; run "
                "the network once, then operate"
            )


def _type(value: object) -> str:
    return type(value).__name__
