"""Files of torch: TorchScript, and the exported programs that end in ``.pt2``."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from skinseg.pretrained import PretrainedCfg
from skinseg.runtimes.base import FileRuntime, imported
from skinseg.runtimes.metadata import PREFIX, ExportedFileError, ExportMetadata


class TorchFileRuntime(FileRuntime):
    """Runs a TorchScript file or an exported program in torch.

    Args:
        path: File that ends in ``.torchscript`` or ``.pt2``.

    Raises:
        ExportedFileError: If the file is damaged, or none of :func:`skinseg.export`.
        ModuleNotFoundError: If torch is not installed.
    """

    def __init__(self, path: Path) -> None:
        self._torch: Any = imported("torch", "torch", f"'{path}'")
        # Both fill in the values of the keys that they find.
        strings = dict.fromkeys(
            ExportMetadata(record=PretrainedCfg(architecture="")).to_strings(), ""
        )
        try:
            if path.suffix.lower() == ".pt2":
                with _silent("torch.export"):
                    program = self._torch.export.load(str(path), extra_files=strings)
                self._function: Callable[[Any], Any] = program.module(check_guards=False)
            else:
                self._function = self._torch.jit.load(str(path), _extra_files=strings)
        except Exception as error:  # Damaged files raise errors of many kinds.
            reason = str(error).partition("\n")[0]
            raise ExportedFileError(f"'{path}' cannot be opened: {reason}") from error
        found = {
            key: value.decode() if isinstance(value, bytes) else value
            for key, value in strings.items()
            if value or key == f"{PREFIX}weights_sha256"
        }
        super().__init__(ExportMetadata.from_strings(found, f"'{path}'"), f"'{path}'")

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Run the network on a batch."""
        with self._torch.no_grad():
            output = self._function(self._torch.from_numpy(batch))
        result: np.ndarray = output.numpy()
        return result


@contextmanager
def _silent(name: str) -> Iterator[None]:
    """Keep a logger from printing the traceback of an error that is raised as well."""
    logger = logging.getLogger(name)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
