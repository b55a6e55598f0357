"""What is told of a run while it goes on: to people, and to programs that draw curves."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from skinseg.errors import MissingPackageError
from skinseg.files import write_json
from skinseg.names import near_matches


class Callback(Protocol):
    """What :func:`skinseg.training.train` calls; a subclass has the methods that it needs.

    In a run of several processes only the first one calls.

    Example:
        >>> class Printer(Callback):
        ...     def on_epoch(self, entry):
        ...         print(entry["epoch"], round(entry["loss"], 2))
    """

    def on_start(
        self, folder: Path, settings: Mapping[str, Any], log: Sequence[Mapping[str, Any]]
    ) -> None:
        """A run begins, or goes on.

        Args:
            folder: Folder of the run.
            settings: Network and recipe, as JSON data.
            log: The entries of the epochs that are done; empty unless it goes on.
        """

    def on_epoch(self, entry: Mapping[str, Any]) -> None:
        """An epoch has ended, and is on disk.

        Args:
            entry: ``epoch`` (from 1), ``loss``, ``learning_rate``, ``seconds``,
                ``images_per_second`` and, with validation images, the scores in ``validation``.
        """

    def on_end(self) -> None:
        """The run has ended, was stopped, or has failed; close what is open."""


class TensorBoardLogger(Callback):
    """Writes the curves of a run into ``tensorboard`` in its folder; needs tensorboard.

    Raises:
        ModuleNotFoundError: If tensorboard is not installed.
    """

    def __init__(self) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError as error:
            raise _missing("tensorboard", error) from error
        self._open: Callable[..., Any] = SummaryWriter
        self._writer: Any = None

    def on_start(
        self, folder: Path, settings: Mapping[str, Any], log: Sequence[Mapping[str, Any]]
    ) -> None:
        """Open the file; steps after the last epoch that is logged are those of a run cut off."""
        place = str(folder / "tensorboard")
        self._writer = self._open(log_dir=place, purge_step=len(log) + 1)
        if not log:
            self._writer.add_text("settings", f"```json\n{json.dumps(settings, indent=2)}\n```")

    def on_epoch(self, entry: Mapping[str, Any]) -> None:
        """Write each figure at the step of its epoch."""
        for name, value in figures(entry).items():
            self._writer.add_scalar(name, value, entry["epoch"])
        self._writer.flush()

    def on_end(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()


class WandbLogger(Callback):
    """Sends the curves of a run to Weights & Biases; needs wandb, and a login unless offline.

    A run that goes on is the same run there. Project, entity and the like are those of the
    environment (``WANDB_PROJECT``, ``WANDB_MODE=offline``, ...). No image is sent.

    Raises:
        ModuleNotFoundError: If wandb is not installed.
    """

    def __init__(self) -> None:
        try:
            import wandb
        except ModuleNotFoundError as error:
            raise _missing("wandb", error) from error
        self._wandb: Any = wandb
        self._run: Any = None

    def on_start(
        self, folder: Path, settings: Mapping[str, Any], log: Sequence[Mapping[str, Any]]
    ) -> None:
        """Open the run, or the one that it goes on with."""
        note = folder / "wandb.json"
        if not (log and note.is_file()):
            write_json(note, {"id": uuid.uuid4().hex})
        self._run = self._wandb.init(
            id=json.loads(note.read_text(encoding="utf-8"))["id"],
            name=folder.name,
            config=dict(settings),
            dir=str(folder),
            resume="allow",
        )

    def on_epoch(self, entry: Mapping[str, Any]) -> None:
        """Send each figure at the step of its epoch."""
        self._run.log(figures(entry), step=entry["epoch"])

    def on_end(self) -> None:
        """Close the run."""
        if self._run is not None:
            self._run.finish()


LOGGERS: dict[str, type[Callback]] = {"tensorboard": TensorBoardLogger, "wandb": WandbLogger}
"""Loggers by the name that the command line has for them."""


def get_logger(name: str) -> Callback:
    """Return a logger by its name, one of :data:`LOGGERS`.

    Raises:
        ValueError: If there is none of that name.
        ModuleNotFoundError: If what it needs is not installed.
    """
    if name not in LOGGERS:
        raise ValueError(f"there is no logger {name!r}; {near_matches(name, LOGGERS)}")
    return LOGGERS[name]()


def figures(entry: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of an epoch under flat names.

    Example:
        >>> figures({"epoch": 1, "loss": 0.5, "validation": {"pooled_iou": 0.7}})
        {'loss': 0.5, 'validation/pooled_iou': 0.7}
    """
    found = {name: value for name, value in entry.items() if name not in ("epoch", "validation")}
    scores = entry.get("validation", {})
    return {**found, **{f"validation/{name}": value for name, value in scores.items()}}


def _missing(package: str, error: ModuleNotFoundError) -> MissingPackageError:
    return MissingPackageError(
        f"the logger {package} needs {package}, which is not installed: pip install {package}",
        name=error.name,
    )
