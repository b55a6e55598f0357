"""ExecuTorch, the runtime of PyTorch for phones, as it runs on a computer."""

from pathlib import Path
from typing import Any

import numpy as np

from skinseg.runtimes.base import FileRuntime, imported
from skinseg.runtimes.metadata import ExportedFileError, ExportMetadata

METADATA_METHOD = "skinseg_metadata"
"""Method of the program that returns its metadata, keys and values in turn."""


class ExecuTorchRuntime(FileRuntime):
    """Runs an ExecuTorch program.

    Args:
        path: File that ends in ``.pte``.

    Raises:
        ExportedFileError: If the file is damaged, or none of :func:`skinseg.export`.
        ModuleNotFoundError: If executorch is not installed.
    """

    def __init__(self, path: Path) -> None:
        self._torch: Any = imported("torch", "torch", f"'{path}'")
        runtime: Any = imported("executorch.runtime", "executorch", f"'{path}'")
        try:
            # The program must live as long as its methods.
            self._program = runtime.Runtime.get().load_program(path)
            texts = list(self._program.load_method(METADATA_METHOD).execute([]))
            self._method = self._program.load_method("forward")
        except Exception as error:  # Damaged files raise errors of many kinds.
            reason = str(error).partition("\n")[0]
            raise ExportedFileError(f"'{path}' cannot be opened: {reason}") from error
        strings = dict(zip(texts[::2], texts[1::2], strict=True))
        super().__init__(ExportMetadata.from_strings(strings, f"'{path}'"), f"'{path}'")

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Run the network on a batch."""
        [output] = self._method.execute([self._torch.from_numpy(batch)])
        result: np.ndarray = output.numpy().copy()
        return result
