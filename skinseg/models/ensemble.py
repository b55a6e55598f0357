"""Ensemble: several networks as one network, whose probabilities are averaged."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from skinseg.arguments import require_whole
from skinseg.formatting import counted
from skinseg.models.base import SegmentationModel
from skinseg.names import split_name
from skinseg.registry import model_entrypoint, register_model

# Members of an ensemble of one architecture, as of a cross-validation.
MEMBERS = 5
# Those of the weights that ship.
SHIPPED = ("egeunet", "lbunet", "basic_unet")

_NO_FEATURES = "an ensemble has no feature maps; ask one of its members"


class Ensemble(SegmentationModel):
    """Several networks; the mean of their probabilities.

    ``forward`` returns the logits of the mean: the sigmoid of them, with several classes the
    softmax, is the mean of the members' probabilities. There are no auxiliary outputs, and no
    feature maps: those of a member are ``ensemble.members[0].encoder``.

    Args:
        architecture: Registered name of all members, or a sequence with the name of each.
        members: How many; by default as many as there are names, five of one name.
        in_chans: Channels of the input.
        num_classes: Channels of the logits.
        model_args: Other arguments that the members are built with; with a sequence of names, a
            sequence with the arguments of each.

    Raises:
        ValueError: If ``members`` is not a positive integer or not the number of names, if there
            are not as many ``model_args`` as names, or if an architecture is unknown, has a tag,
            or is no network with a head and a first convolution to adapt, as a
            :class:`SegmentationModel` is.

    Example:
        >>> network = Ensemble("egeunet", members=2).eval()
        >>> network(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 1, 64, 64])
        >>> [type(m).__name__ for m in Ensemble(["egeunet", "malunet"]).members]
        ['EGEUNet', 'MALUNet']
    """

    def __init__(
        self,
        architecture: str | Sequence[str],
        members: int | None = None,
        in_chans: int = 3,
        num_classes: int = 1,
        model_args: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        plan = _plan(architecture, members, model_args)
        several = not isinstance(architecture, str)
        arguments = [dict(given) for _, given in plan]
        channels = {"in_chans": in_chans, "num_classes": num_classes}
        config = {
            "architecture": [name for name, _ in plan] if several else architecture,
            "members": len(plan),
            "model_args": arguments if several else arguments[0],
        }
        super().__init__({**config, **channels})
        built = [_member(name, {**given, **channels}) for name, given in plan]
        self.members = nn.ModuleList(built)
        self.first_conv = _names_of_all(built, "first_convs")
        heads = _names_of_all(built, "classifier")
        self.classifier = heads  # type: ignore[misc]  # Of other classes it is one for all.

    # The overloads of the base class are for networks that have auxiliary outputs.
    def forward(  # type: ignore[override]
        self, x: torch.Tensor, return_aux: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor, list[torch.Tensor]]:
        """Segment a batch; see :meth:`SegmentationModel.forward`."""
        self.check_input(x)
        logits = mean_logits(torch.stack([member(x) for member in self.members]))
        return (logits, []) if return_aux else logits

    if TYPE_CHECKING:
        __call__ = forward  # type: ignore[assignment]

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """An ensemble has no encoder of its own.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(_NO_FEATURES)

    @property
    def num_features(self) -> int:
        """An ensemble has no encoder of its own.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(_NO_FEATURES)

    def get_classifier(self) -> nn.Module:
        """An ensemble has no head of its own.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("an ensemble has no head; ask one of its members")

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Let all members compute activations again in the backward pass, or none."""
        for member in self.members:
            cast(SegmentationModel, member).set_grad_checkpointing(enable)

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Replace the heads of all members; see :meth:`SegmentationModel.reset_classifier`."""
        num_classes = require_whole("num_classes", num_classes)
        for member in self.members:
            cast(SegmentationModel, member).reset_classifier(num_classes, global_pool)
        self.config["num_classes"] = num_classes


def _member(name: str, arguments: Mapping[str, Any]) -> SegmentationModel:
    """Build a member, with random weights as every network that is made by its architecture."""
    architecture, tag = split_name(name)
    if tag:
        raise ValueError(
            f"{name!r} is a name of weights, and members are made with random ones: name the "
            f"architecture alone, {architecture!r}, or join trained networks with "
            "skinseg.training.save_ensemble"
        )
    member = model_entrypoint(name)(**arguments)
    if not isinstance(member, SegmentationModel):
        raise ValueError(
            f"{name!r} makes a {type(member).__name__}, and members of an ensemble must be of "
            "skinseg.models.SegmentationModel; derive its class from that one"
        )
    return member


def _plan(
    architecture: str | Sequence[str],
    members: int | None,
    model_args: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None,
) -> list[tuple[str, Mapping[str, Any]]]:
    """Architecture and arguments of each member."""
    if isinstance(architecture, str):
        count = MEMBERS if members is None else members
        if not isinstance(count, int) or count < 1:
            raise ValueError(f"members must be a positive integer, not {members!r}")
        if model_args is not None and not isinstance(model_args, Mapping):
            raise ValueError(
                f"model_args must be a mapping, that of every {architecture}, not {model_args!r}"
            )
        return [(architecture, model_args or {})] * count
    names = list(architecture)
    arguments = [{}] * len(names) if model_args is None else model_args
    if not names or members not in (None, len(names)):
        raise ValueError(f"members is {members!r}, and architecture names {len(names)}")
    if isinstance(arguments, Mapping) or len(arguments) != len(names):
        raise ValueError(
            f"model_args must be a sequence of {counted(len(names), 'mapping')}, one per "
            f"architecture, not {arguments!r}"
        )
    return list(zip(names, arguments, strict=True))


def _names_of_all(members: Sequence[SegmentationModel], attribute: str) -> tuple[str, ...]:
    """Names of modules that each member has under an attribute, as names within the ensemble."""
    return tuple(
        f"members.{index}.{name}"
        for index, member in enumerate(members)
        for name in getattr(member, attribute)
    )


def mean_logits(logits: torch.Tensor) -> torch.Tensor:
    """Return the logits of the mean of several probabilities.

    Args:
        logits: Floating point (members, B, classes, H, W).

    Returns:
        Logits (B, classes, H, W); computed from logarithms, so that none is infinite.

    Example:
        >>> both = torch.tensor([2.0, -2.0]).view(2, 1, 1, 1, 1)
        >>> mean_logits(both).item()
        0.0
    """
    if logits.shape[2] > 1:
        return torch.logsumexp(nn.functional.log_softmax(logits, 2), 0)
    # The logarithm of a sigmoid, in a form that exported files compute as exactly.
    lesion = torch.logsumexp(-nn.functional.softplus(-logits), 0)
    return lesion - torch.logsumexp(-nn.functional.softplus(logits), 0)


@register_model
def ensemble(architecture: str | Sequence[str] = SHIPPED, **kwargs: Any) -> Ensemble:
    """Several networks as one; the mean of their probabilities."""
    return Ensemble(architecture, **kwargs)
