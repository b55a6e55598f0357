"""What a predictor asks of that which runs a network."""

import dataclasses
import importlib
from types import ModuleType
from typing import Protocol

import numpy as np

from skinseg.errors import MissingPackageError
from skinseg.pretrained import PretrainedCfg
from skinseg.runtimes.metadata import ExportMetadata


class Runtime(Protocol):
    """A network that is ready to run; it may be called by several threads at once.

    Attributes:
        record: Record of the weights, or None where there is none.
        in_chans: Channels of the input.
        num_classes: Outputs, or None where they are not known before the first call.
        size: The only (height, width) that it takes, or None where it takes any.
        device: Where it runs: ``"cpu"``, ``"cuda:0"``, ...
    """

    record: PretrainedCfg | None
    in_chans: int
    num_classes: int | None
    size: tuple[int, int] | None
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


class FileRuntime:
    """An exported file that is ready to run on the CPU.

    Args:
        metadata: What the file says of itself.
        source: What to name in errors.

    Attributes:
        metadata: As given.
        record, in_chans, num_classes, size, device: As :class:`Runtime` has them; the record's
            input size is the one that the file takes.
    """

    def __init__(self, metadata: ExportMetadata, source: str) -> None:
        self.metadata = metadata
        self.source = source
        self.in_chans = metadata.in_chans
        self.num_classes: int | None = metadata.num_classes
        self.size = metadata.size
        self.device = "cpu"
        record = metadata.record
        height, width = metadata.size or record.input_size[1:]
        self.record: PretrainedCfg | None = dataclasses.replace(
            record, input_size=(metadata.in_chans, height, width)
        )

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Run the network; see :class:`Runtime`.

        A file that prepares images itself takes uint8 RGB (B, H, W, 3) and returns what its
        metadata says.

        Raises:
            ValueError: If the batch has another size than the only one that the file takes.
        """
        metadata = self.metadata
        if metadata.input == "normalized" and self.size not in (None, batch.shape[2:]):
            raise ValueError(f"{self.source} takes images of {self.size}, not {batch.shape[2:]}")
        if metadata.batch is None or metadata.batch == len(batch):
            return self.run(batch)
        parts = range(0, len(batch), metadata.batch)
        return np.concatenate([self.run(batch[i : i + metadata.batch]) for i in parts])

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Run the network on a batch of the size that the file takes."""
        raise NotImplementedError


def imported(module: str, package: str, source: str) -> ModuleType:
    """Import the library that runs a file, or say how to install it.

    Raises:
        ModuleNotFoundError: If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"{source} needs {package}, which is not installed: pip install {package}",
            name=error.name,
        ) from error
