"""Ensemble: several networks of one kind as one network, whose probabilities are averaged."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from skinseg.models.base import SegmentationModel
from skinseg.registry import model_entrypoint, register_model


class Ensemble(SegmentationModel):
    """Networks that differ in their weights alone; the mean of their probabilities.

    ``forward`` returns the logits of the mean: the sigmoid of them, with several classes the
    softmax, is the mean of the members' probabilities. There are no auxiliary outputs, and no
    feature maps: those of a member are ``ensemble.members[0].encoder``.

    Args:
        architecture: Registered name of the members.
        members: How many, 1 or more.
        in_chans: Channels of the input.
        num_classes: Channels of the logits.
        model_args: Other arguments that the members are built with.

    Raises:
        ValueError: If ``members`` is not a positive integer, or the architecture is unknown.

    Example:
        >>> network = Ensemble("egeunet", members=2).eval()
        >>> network(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 1, 64, 64])
    """

    def __init__(
        self,
        architecture: str,
        members: int = 5,
        in_chans: int = 3,
        num_classes: int = 1,
        model_args: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(members, int) or members < 1:
            raise ValueError(f"members must be a positive integer, not {members!r}")
        arguments = dict(model_args or {})
        channels = {"in_chans": in_chans, "num_classes": num_classes}
        config = {"architecture": architecture, "members": members, "model_args": arguments}
        super().__init__({**config, **channels})
        build = model_entrypoint(architecture)
        built = [build(**arguments, **channels) for _ in range(members)]
        self.members = nn.ModuleList(built)
        first = cast(SegmentationModel, built[0])
        names = (first.first_conv,) if isinstance(first.first_conv, str) else first.first_conv
        self.first_conv = tuple(f"members.{i}.{n}" for i in range(members) for n in names)
        heads = tuple(f"members.{i}.{n}" for i in range(members) for n in first.classifier)
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
        raise NotImplementedError("an ensemble has no feature maps; ask one of its members")

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Let all members compute activations again in the backward pass, or none."""
        for member in self.members:
            cast(SegmentationModel, member).set_grad_checkpointing(enable)

    def reset_classifier(self, num_classes: int) -> None:
        """Replace the heads of all members."""
        for member in self.members:
            cast(SegmentationModel, member).reset_classifier(num_classes)
        self.config["num_classes"] = num_classes


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
def ensemble(**kwargs: Any) -> Ensemble:
    """Several networks of one architecture; the mean of their probabilities."""
    return Ensemble(**kwargs)
