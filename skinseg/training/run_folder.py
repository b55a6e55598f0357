"""The folder of a training run: recipe, log, checkpoint, best weights."""

import os
from pathlib import Path
from typing import Any

import torch

from skinseg import hub
from skinseg.checkpoint import StateDict, read_pickle, read_state_dict
from skinseg.csv_files import write_csv
from skinseg.errors import CheckpointError
from skinseg.files import remove_abandoned, write_atomically, write_json
from skinseg.pretrained import PretrainedCfg
from skinseg.training.callbacks import figures
from skinseg.training.recipe import current_names

# What a checkpoint of any version has.
_PARTS = {"settings", "step", "log"}


class RunFolder:
    """Files of one run; each is written whole or not at all.

    Attributes:
        path: The folder, with ``recipe.json``, ``log.json`` and ``log.csv`` (one entry per epoch),
            ``checkpoint.pt`` (everything to go on from), and the weights that are kept as
            ``model.safetensors`` and ``config.json``, which ``create_model("local-dir:...")``
            loads.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.checkpoint = self.path / "checkpoint.pt"

    def start(
        self, settings: dict[str, Any], *, resume: bool, is_main: bool = True
    ) -> dict[str, Any] | None:
        """Make the folder ready and return the checkpoint to go on from, if any.

        Args:
            settings: What the run is made with.
            resume: Whether there may be a run already.
            is_main: Whether this process is the one that writes.

        Raises:
            FileExistsError: If the folder holds a run and ``resume`` is not set.
            CheckpointError: If that run's checkpoint is damaged.
            ValueError: If that run had other settings.
        """
        if is_main:  # Nobody else writes into it while it is locked.
            remove_abandoned(self.path, after=0)
        if not self.checkpoint.is_file():
            if is_main:
                self.path.mkdir(parents=True, exist_ok=True)
                write_json(self.path / "recipe.json", settings)
            return None
        if not resume:
            raise FileExistsError(
                f"{self.path} holds a training run already; resume it, or choose another folder"
            )
        state = self._read_checkpoint()
        before = state["settings"]
        before["recipe"] = current_names(before["recipe"])
        changed = _changed(settings, before)
        if changed:
            raise ValueError(
                f"{self.path} was trained with another {', '.join(changed)}; resume it with the "
                f"settings in {self.path / 'recipe.json'}, or choose another folder"
            )
        return state

    def _read_checkpoint(self) -> dict[str, Any]:
        state = read_pickle(self.checkpoint)
        if not (isinstance(state, dict) and state.keys() >= _PARTS):
            raise CheckpointError(
                f"{self.checkpoint} is no checkpoint of a training run; copy the run's again, or "
                "choose another folder"
            )
        return state

    def save_kept(self, weights: StateDict, record: PretrainedCfg | None) -> None:
        """Write the weights that are kept so far, with their record if there is one."""
        if record is None:
            hub.write_weights(self.path, weights)
        else:
            hub.write_local_dir(self.path, record, weights)

    def save(self, state: dict[str, Any]) -> None:
        """Write the state after an epoch."""
        write_json(self.path / "log.json", state["log"])
        rows = [{"epoch": entry["epoch"], **figures(entry)} for entry in state["log"]]
        # A run that was begun without validation images and goes on with some has more columns.
        columns = dict.fromkeys(name for row in rows for name in row)
        write_csv(self.path / "log.csv", list(columns), rows)
        write_atomically(self.checkpoint, lambda temporary: _save(state, temporary))

    def kept_weights(self) -> StateDict:
        """Return the weights that are kept."""
        return read_state_dict(self.path / hub.WEIGHTS_NAME)


def _save(state: dict[str, Any], path: Path) -> None:
    try:
        with open(path, "wb") as file:
            torch.save(state, file)
    except RuntimeError as error:
        # Of a full disk torch's writer speaks in an error of its own, after that of the system.
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise


def _changed(settings: dict[str, Any], before: dict[str, Any]) -> list[str]:
    """Names of the settings that differ, nested ones with dots."""
    names = []
    for key in sorted(settings.keys() | before.keys()):
        new, old = settings.get(key), before.get(key)
        if isinstance(new, dict) and isinstance(old, dict):
            names += [f"{key}.{name}" for name in _changed(new, old)]
        elif new != old:
            names.append(key)
    return names
