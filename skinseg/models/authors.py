"""What is known of the code that a network's authors published, beside the names of its weights."""

import dataclasses
from collections.abc import Callable
from typing import Any

from skinseg.checkpoint import StateDict

MINMAX_255 = {"kind": "minmax", "scale": 255.0}
IMAGENET = {"kind": "mean_std", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


@dataclasses.dataclass(frozen=True)
class AuthorsCode:
    """How a checkpoint of the authors' code is recognized and read.

    Attributes:
        architecture: Registered name of the network here.
        signature: Pattern of names of weights that only this family has; see :func:`re.match`.
        input_size: Side of the images that it is trained on, in pixels.
        normalization: How it prepares them; see :class:`skinseg.data.Normalization`.
        arguments: Function from the weights, in this package's names, to the constructor's
            arguments.
        variant: Registered name with arguments in braces, such as ``"lmsaunet_n{compression}"``,
            used where that network is registered.
    """

    architecture: str
    signature: str
    input_size: int
    normalization: dict[str, Any]
    arguments: Callable[[StateDict], dict[str, Any]]
    variant: str | None = None
