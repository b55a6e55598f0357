import dataclasses

from torch import nn

_CONVOLUTIONS = (nn.modules.conv._ConvNd,)
_NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)


@dataclasses.dataclass(frozen=True)
class Parameters:
    """How many parameters a network has, by kind.

    Attributes:
        total: All of them.
        trainable: Those that require a gradient.
        convolution: Weights and biases of convolutions, transposed ones included.
        linear: Weights and biases of fully connected layers.
        normalization: Weights and biases of batch, group, instance and layer normalization.
        bare: Tensors that a module of one's own holds directly, which some counters overlook.
        other: Those of other layers of torch.
    """

    total: int
    trainable: int
    convolution: int
    linear: int
    normalization: int
    bare: int
    other: int


def count_parameters(model: nn.Module) -> Parameters:
    """Count a network's parameters by kind; a shared one counts once.

    Example:
        >>> count_parameters(nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(4, 8)))
        ... # doctest: +NORMALIZE_WHITESPACE
        Parameters(total=240, trainable=240, convolution=224, linear=0, normalization=16,
                   bare=0, other=0)
    """
    kinds = dict.fromkeys(("convolution", "linear", "normalization", "bare", "other"), 0)
    seen: set[nn.Parameter] = set()
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            if parameter not in seen:
                seen.add(parameter)
                kinds[_kind(module)] += parameter.numel()
    trainable = sum(p.numel() for p in seen if p.requires_grad)
    return Parameters(total=sum(kinds.values()), trainable=trainable, **kinds)


def _kind(module: nn.Module) -> str:
    if isinstance(module, _CONVOLUTIONS):
        return "convolution"
    if isinstance(module, nn.Linear):
        return "linear"
    if isinstance(module, _NORMS):
        return "normalization"
    return "other" if type(module).__module__.startswith("torch.") else "bare"
