"""Which modules of a network are meant: convolutions in a row, wherever the row is written."""

from collections import Counter

from torch import nn
from torch.utils._pytree import tree_leaves

from skinseg.surgery.select import Selector, Site
from skinseg.surgery.trace import Trace, Use, Value, childless

# What may stand between and after the convolutions of a row.
_NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.LocalResponseNorm)
_DROPOUTS = (nn.modules.dropout._DropoutNd, nn.Identity)
# A sigmoid, a softmax and their like end a network or gate a map, and are no part of a row.
_ACTIVATIONS = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU),
    *(nn.SiLU, nn.Mish, nn.Hardswish, nn.Softplus),
)
_FUNCTIONS = {"relu", "relu_", "relu6", "leaky_relu", "leaky_relu_", "elu", "elu_", "selu", "gelu"}
_FUNCTIONS |= {"celu", "prelu", "rrelu", "silu", "mish", "hardswish", "dropout", "dropout2d"}


def conv_run(count: int = 2, *, kernel_size: int = 3) -> Selector:
    """Select ``count`` square convolutions in a row, with their normalizations and activations.

    The row is found in the data that flows, not in the names: the convolutions may be in one
    ``nn.Sequential``, in several, or be called one by one; what matters is that each result goes to
    the next and nowhere else: a row with a result that is written to, kept in an attribute or seen
    by a hook is none. A convolution counts if it keeps height and width and has one group.
    Normalization, activation (ReLU and its relatives; no sigmoid or softmax) and dropout after a
    convolution belong to it, the last one's included; an activation that the network calls as a
    function, or one module of it several times, cannot be taken out and stays, after the block.
    Three convolutions in a row hold one pair: the third is left.

    Two of size 3 are what ECDF stands in for (LMSAUNet; Sci Rep 15, 34327, 2025).

    Args:
        count: Convolutions in a row, at least 1.
        kernel_size: Their size.

    Raises:
        ValueError: If ``count`` is less than 1.

    Example:
        >>> from skinseg.surgery.trace import trace
        >>> import torch
        >>> conv = [nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()]
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sequential(*conv, nn.Conv2d(4, 4, 3, 1, 1)))
        >>> conv_run()(trace(net, [torch.zeros(1, 3, 8, 8)]))
        [Site(parts=('1',))]
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, not {count}")

    def find(trace: Trace) -> list[Site]:
        sites: list[Site] = []
        taken: set[str] = set()
        for uses in list(trace.calls.values()):
            if len(uses) == 1 and uses[0].name not in taken and _fits(uses[0], kernel_size):
                row = _Row(trace, uses[0], kernel_size)
                if row.grow(count, taken):
                    sites.append(Site(row.parts()))
                    taken.update(row.members)
        return sites

    size = f"{kernel_size}x{kernel_size}"
    return Selector(find, f"conv_run({count}, {size})")


class _Row:
    """A row of calls that begins with one convolution."""

    def __init__(self, trace: Trace, first: Use, kernel_size: int) -> None:
        self.trace = trace
        self.kernel_size = kernel_size
        self.first = first
        self.members = [first.name]
        self.followed = Counter([first.name])
        self.passed = [first.output.number]

    def grow(self, count: int, taken: set[str]) -> bool:
        """Follow the data over ``count`` convolutions and what belongs to the last one."""
        convolutions, value = 1, self.first.output
        while (use := self._only_use(value)) is not None:
            if _fits(use, self.kernel_size):
                if convolutions == count or use.name in taken or not self._movable(use):
                    break
                convolutions += 1
            elif not _belongs(use):
                break
            value = use.output
            self.passed.append(value.number)
            self.followed[use.name] += 1
            if self._movable(use):
                self.members.append(use.name)
        while isinstance(self.trace.names[self.members[-1]], nn.Identity):
            self.members.pop()
        return convolutions == count and not self._watched()

    def _watched(self) -> bool:
        """Whether something outside of the row has a value from within it, or a module's hook."""
        within = set(self.passed[:-1])
        watchers = [use for name in self.trace.hooked for use in self.trace.calls.get(name, ())]
        seen = {
            value.number
            for use in watchers
            for value in tree_leaves((use.args, use.kwargs, use.output))
            if isinstance(value, Value)
        }
        hooked = self.trace.hooked.intersection(self.members)
        return bool(hooked or within & (self.trace.kept | seen))

    def _only_use(self, value: Value) -> Use | None:
        uses = self.trace.uses[value.number]
        alone = len(uses) == 1 and len(uses[0].inputs()) == 1
        return uses[0] if alone and isinstance(uses[0].output, Value) else None

    def _movable(self, use: Use) -> bool:
        return use.module is not None and len(self.trace.calls[use.name]) == 1

    def parts(self) -> tuple[str, ...]:
        """The members, those that fill a larger module represented by it."""
        parts: list[str] = []
        for name in self.members:
            if not any(name.startswith(f"{part}.") for part in parts):
                parts.append(self._largest(name))
        return tuple(parts)

    def _largest(self, name: str) -> str:
        levels = name.split(".")
        for depth in range(1, len(levels)):
            outer = ".".join(levels[:depth])
            if self._is_filled(outer):
                return outer
        return name

    def _is_filled(self, outer: str) -> bool:
        """Whether a module is nothing but members: values of the row go in and come out."""
        calls = self.trace.calls.get(outer, [])
        if len(calls) != 1 or len(calls[0].inputs()) != 1 or not isinstance(calls[0].output, Value):
            return False
        begins, ends = calls[0].inputs()[0].number, calls[0].output.number
        inside = [
            name
            for name, module in self.trace.names.items()
            if name.startswith(f"{outer}.")
            and childless(module)
            and ".parametrizations." not in name
        ]
        return (
            begins in {self.first.inputs()[0].number, *self.passed}
            and ends in self.passed
            and all(self.followed[name] == len(self.trace.calls.get(name, ())) for name in inside)
        )


def _fits(use: Use, kernel_size: int) -> bool:
    """Whether it is a call of a convolution of that size that keeps height and width."""
    conv = use.module
    return (
        isinstance(conv, nn.Conv2d)
        and conv.kernel_size == (kernel_size, kernel_size)
        and conv.groups == 1
        and conv.stride == (1, 1)
        and use.inputs()[0].shape[2:] == use.output.shape[2:]
    )


def _belongs(use: Use) -> bool:
    if use.module is None:
        return use.name in _FUNCTIONS
    return isinstance(use.module, (*_ACTIVATIONS, *_NORMS, *_DROPOUTS))
