"""The network inside of what trains it on several devices, averages it, or compiles it."""

from torch import nn
from torch.optim.swa_utils import AveragedModel

_HOLDERS = (nn.DataParallel, nn.parallel.DistributedDataParallel, AveragedModel)


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the network in ``DataParallel``, ``DistributedDataParallel``, an average, or compiled.

    Such a wrapper has none of the network's attributes, and other names of weights. What it
    computes is its own business: only what is known of the network is to be read through it.

    Args:
        model: A network, perhaps in wrappers around wrappers.

    Returns:
        The innermost network; ``model`` itself where nothing is around it.

    Example:
        >>> network = nn.Conv2d(3, 1, 1)
        >>> unwrapped(nn.DataParallel(network)) is unwrapped(network) is network
        True
    """
    inner = model.module if isinstance(model, _HOLDERS) else getattr(model, "_orig_mod", None)
    return unwrapped(inner) if isinstance(inner, nn.Module) else model
