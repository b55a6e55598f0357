"""What a predictor asks of that which runs a network."""

from typing import Protocol

import numpy as np

from skinseg.pretrained import PretrainedCfg


class Runtime(Protocol):
    """A network that is ready to run; it may be called by several threads at once.

    Attributes:
        record: Record of the weights, or None where there is none.
        in_chans: Channels of the input.
        num_classes: Outputs, or None where they are not known before the first call.
        device: Where it runs: ``"cpu"``, ``"cuda:0"``, ...
    """

    record: PretrainedCfg | None
    in_chans: int
    num_classes: int | None
    device: str

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Run the network.

        Args:
            batch: float32 (B, C, h, w), normalized.

        Returns:
            Logits, float32 (B, outputs, h, w).

        Raises:
            ValueError: If the network returns no logits.
        """
