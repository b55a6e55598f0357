"""Images segmented and written by the nodes of a Ray cluster."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import skinseg
from skinseg.batch.pipeline import segment
from skinseg.batch.results import OutputError, ResultFolder, Row
from skinseg.batch.settings import prediction_settings
from skinseg.errors import MissingPackageError
from skinseg.formatting import printable
from skinseg.locations import Location, as_location

# A task is a few seconds of work: enough to be worth sending, and little to lose with a node.
_BATCHES_PER_TASK = 8
_MOST_TASKS = 10_000


def segment_on_ray(
    files: Sequence[Location],
    folder: ResultFolder,
    options: Mapping[str, Any],
    *,
    address: str = "auto",
) -> Generator[tuple[Location, Row], None, None]:
    """Segment images on a Ray cluster and write their pictures, an actor per core or GPU.

    Actors read images, run the network and write the pictures; the names of the images go to them,
    and rows come back. When a node is lost, others do again what it was at; pictures are written
    whole under their final names, so that each image has one result. A Ray that this process is
    connected to already is used, and left running.

    Args:
        files: Images at places that all nodes see.
        folder: Where the pictures go, seen by all nodes, too.
        options: Arguments of :class:`skinseg.Predictor`. With a ``device`` other than the CPU each
            actor has a GPU, and otherwise a core. Every node must have the same weights.
        address: Of the cluster, as ``ray.init`` takes it: ``"auto"`` for the one that runs here,
            ``"local"`` to start one, ``"ray://HOST:10001"``.

    Yields:
        Each image with its row, in the order in which they are finished.

    Raises:
        ModuleNotFoundError: If Ray is not installed.
        ConnectionError: If no cluster runs at the address.
        ValueError: If no node has what the device needs.
        OutputError: If a node cannot write pictures, or has other weights.
    """
    if not files:
        return
    with _cluster(address) as ray:
        yield from _rows(ray, files, folder, dict(options))


def _rows(
    ray: Any, files: Sequence[Location], folder: ResultFolder, options: dict[str, Any]
) -> Generator[tuple[Location, Row], None, None]:
    expected = prediction_settings(skinseg.Predictor(**{**options, "device": "cpu"}))
    given = {name: value for name, value in options.items() if value is not None}
    options = {"workers": 1, **given}
    on_gpu = not str(options.get("device", "cpu")).startswith("cpu")
    tasks = _tasks(files, int(options.get("batch_size", 8)))
    resource = "GPU" if on_gpu else "CPU"
    there = int(ray.cluster_resources().get(resource, 0))
    if not there:
        raise ValueError(f"the cluster has no {resource}; choose another device, or add nodes")
    most = min(there, len(tasks))
    dataset = ray.data.from_items(tasks, override_num_blocks=len(tasks)).map_batches(
        _Actor,
        fn_constructor_args=(options, folder, expected, os.getcwd()),
        batch_size=1,
        # All at once, and fewer where a node is lost.
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=most, initial_size=most),
        **{"num_gpus" if on_gpu else "num_cpus": 1},
    )
    for found in dataset.iter_rows():
        if found["failure"]:
            raise OutputError(found["failure"])
        for index, cells in json.loads(found["rows"]):
            # As it was named here, whatever the node calls it.
            yield files[index], Row(**{**cells, "file": printable(str(files[index]))})


def _tasks(files: Sequence[Location], batch_size: int) -> list[dict[str, str]]:
    """Parts of the files as JSON, whole batches as far as they go."""
    size = batch_size * max(_BATCHES_PER_TASK, len(files) // (batch_size * _MOST_TASKS))
    numbered = [(index, str(file)) for index, file in enumerate(files)]
    return [{"files": json.dumps(numbered[i : i + size])} for i in range(0, len(files), size)]


class _Actor:
    """Has the network on a node, and does one part after the other."""

    def __init__(
        self, options: dict[str, Any], folder: ResultFolder, expected: dict[str, Any], cwd: str
    ) -> None:
        # Relative paths mean what they mean to whoever gave the command.
        with contextlib.suppress(OSError):
            os.chdir(cwd)
        if str(options.get("device", "cpu")).startswith("cpu"):
            _use_one_thread()
        self._predictor = skinseg.Predictor(**options)
        self._folder = folder
        differs = prediction_settings(self._predictor) != expected
        self._failure = "a node of the cluster has other weights of this name" if differs else ""

    def __call__(self, task: Mapping[str, Any]) -> dict[str, list[str]]:
        [text] = task["files"]
        indices, names = zip(*json.loads(text), strict=True)
        if not self._failure:
            try:
                files = [as_location(name) for name in names]
                rows = [row for _, row in segment(self._predictor, files, self._folder)]
                done = list(zip(indices, map(asdict, rows), strict=True))
                return {"rows": [json.dumps(done)], "failure": [""]}
            except (OutputError, FloatingPointError, ValueError) as error:
                return {"rows": [""], "failure": [printable(str(error))]}
        return {"rows": [""], "failure": [self._failure]}


def _use_one_thread() -> None:
    try:
        import torch
    except ModuleNotFoundError:  # Exported files do without.
        return
    torch.set_num_threads(1)


def ray_module() -> Any:
    """Return the module of Ray.

    Raises:
        ModuleNotFoundError: If Ray is not installed.
    """
    # Ray would tell its makers that it is used, and the terminal about every step.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            "a cluster needs ray, which is not installed: pip install 'ray[data]'",
            name=error.name,
        ) from error
    return ray


@contextlib.contextmanager
def _cluster(address: str) -> Generator[Any, None, None]:
    """The module of Ray, connected."""
    ray = ray_module()
    running = ray.is_initialized()
    if not running:
        _connect(ray, address)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    shown = context.enable_progress_bars
    context.enable_progress_bars = False
    try:
        yield ray
    finally:
        context.enable_progress_bars = shown
        if not running:
            ray.shutdown()


def _connect(ray: Any, address: str) -> None:
    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except Exception as error:  # Ray raises several kinds, some of them plain.
        raise ConnectionError(
            f"no Ray cluster can be used at {address!r}: {error} Start one with `ray start`, or "
            "name the address of one that runs."
        ) from error
