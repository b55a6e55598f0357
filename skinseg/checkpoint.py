"""Weights from a file into a network: ours or the authors', always strictly."""

import os
import pickle
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeGuard

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from skinseg.errors import CheckpointError
from skinseg.unwrap import unwrapped

StateDict = dict[str, torch.Tensor]

# Where training scripts keep the weights among other things: averages first, as timm has it, then
# the most specific first.
_WRAPPERS = ("state_dict_ema", "model_ema", "model_state_dict", "state_dict", "model")
# Counters that thop leaves in the modules it has profiled, and torch's average of a model.
_LEFTOVERS = ("total_ops", "total_params", "n_averaged")
# Of BatchNorm: nothing is computed from it, and checkpoints of old versions of torch lack it.
_COUNTER = ".num_batches_tracked"


class _Ignored:
    """Stands for what a training script left beside the weights: a loss, a path, its settings.

    They are not needed, and so no code of others runs on what an untrusted file says of them.
    """

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass


_IGNORED: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    type(name, (_Ignored,), {"__module__": module})
    for module, name in [
        ("numpy", "dtype"),
        ("numpy.core.multiarray", "scalar"),
        ("numpy._core.multiarray", "scalar"),
        ("pathlib", "PosixPath"),
        ("pathlib", "WindowsPath"),
    ]
]
# Hyperparameters in older checkpoints of PyTorch Lightning, by the names of its two distributions.
_IGNORED += [
    (dict, f"{package}.utilities.data.AttributeDict")
    for package in ("lightning.fabric", "lightning_fabric")
]

# What torch takes for safe is one list for the process: the first reader to end would empty it for
# the others.
_SAFE_GLOBALS_LOCK = threading.Lock()


def read_state_dict(path: str | os.PathLike[str]) -> StateDict:
    """Read the weights of a checkpoint without running any code that it may contain.

    Args:
        path: ``.safetensors``, or a file of ``torch.save`` that holds a state dict or a
            dictionary with one under ``state_dict_ema``, ``model_ema``, ``model_state_dict``,
            ``state_dict`` or ``model``, the first that there is; or ``checkpoint.pt`` of a training
            run, whose latest weights are read (the run keeps the best as ``model.safetensors``).

    Returns:
        Tensors by name, on the CPU. What DistributedDataParallel, torch.compile, averaging and
        profilers add to the names and among them is removed.

    Raises:
        CheckpointError: If the file is missing, broken, holds pickled code, or no weights.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such file")
    loaded = _read_safetensors(path) if path.suffix == ".safetensors" else read_pickle(path)
    return _clean(_weights_in(loaded), path)


def _weights_in(loaded: Any) -> Any:
    """What may be a state dict, of all that a file holds."""
    if not isinstance(loaded, Mapping):
        return loaded
    step = loaded.get("step")
    if _is_of_trainer(step):
        average = step.get("average")
        return average["module"] if average else step["model_state_dict"]
    inner = (loaded.get(wrapper) for wrapper in _WRAPPERS)
    # Loops that keep no average may write an empty one.
    return next((state for state in inner if isinstance(state, Mapping) and state), loaded)


def _is_of_trainer(step: Any) -> TypeGuard[Mapping[str, Any]]:
    """Whether it is the state of this package's own trainer."""
    if not isinstance(step, Mapping) or "model_state_dict" not in step:
        return False
    average = step.get("average")
    kept = isinstance(average, Mapping) and (not average or "module" in average)
    return average is None or kept


def _read_safetensors(path: Path) -> StateDict:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is not a readable safetensors file ({error}); fetch or copy it again"
        ) from error


def read_pickle(path: Path) -> Any:
    """What a file of ``torch.save`` holds, on the CPU; no code in it is run.

    Raises:
        CheckpointError: If it cannot be read, or holds pickled code.
    """
    try:
        with _SAFE_GLOBALS_LOCK, torch.serialization.safe_globals(_IGNORED):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is refused: it is not a plain file of tensors but a pickle that may run "
            "code, or not a checkpoint at all. Save its state dict alone, with "
            "torch.save(model.state_dict(), path), or as safetensors"
        ) from error
    except Exception as error:  # Of a damaged file torch's readers raise errors of any kind.
        raise CheckpointError(
            f"{path} is not a readable checkpoint ({type(error).__name__}: {error}); fetch or copy "
            "it again"
        ) from error


def _clean(loaded: Any, path: Path) -> StateDict:
    if not isinstance(loaded, Mapping) or not loaded:
        raise CheckpointError(f"{path} holds no state dict but {type(loaded).__name__}")
    state = {}
    for key, value in loaded.items():
        if not isinstance(key, str):
            raise CheckpointError(
                f"{path} holds {type(value).__name__} under {key!r}, and weights have names; save "
                "the network's state dict, with torch.save(model.state_dict(), path)"
            )
        if not isinstance(value, torch.Tensor):
            raise CheckpointError(
                f"{path} holds {type(value).__name__} under {key!r} where a tensor was expected; "
                f"weights are looked for at the top level and under {', '.join(_WRAPPERS)}"
            )
        # torch.compile names a part wherever it compiles one.
        key = key.replace("_orig_mod.", "").removeprefix("module.")
        if key.rpartition(".")[2] not in _LEFTOVERS:
            state[key] = value
    return state


def load_checkpoint(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Load a checkpoint into a network, every weight or none.

    The names may be this package's or those of the authors' published code; the names
    themselves show which. If the network is a part of what was saved, as in a checkpoint of
    PyTorch Lightning (``model.encoder...``), that part is loaded and the others are left.

    Args:
        model: Network to fill, in place; also in ``DataParallel``, an average or compiled.
        path: See :func:`read_state_dict`.

    Raises:
        CheckpointError: If the file cannot be read, a weight is missing, left over, of another
            shape or no dense floating-point tensor, or several parts of the file may be the
            network, which is then unchanged.

    Example:
        >>> import skinseg, tempfile, torch
        >>> net = skinseg.create_model("egeunet")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     torch.save(net.state_dict(), f"{folder}/net.pth")
        ...     load_checkpoint(skinseg.create_model("egeunet"), f"{folder}/net.pth")
    """
    fill(unwrapped(model), read_state_dict(path), str(path))


def fill(model: nn.Module, state: StateDict, source: str) -> None:
    """Load ``state`` into ``model`` strictly; ``source`` is what errors name."""
    expected = model.state_dict()
    if not _has_names(state, expected):
        state = _part_that_is(state, expected, source)
    if not _has_names(state, expected):
        state = _in_our_names(model, state, source)
    problems = state_differences(expected, state)
    if problems:
        raise misfit(type(model).__name__, problems, source)
    _refuse_other_numbers(expected, state, source)
    counters = {key: value for key, value in expected.items() if key.endswith(_COUNTER)}
    model.load_state_dict({**counters, **state})


def _refuse_other_numbers(expected: StateDict, state: StateDict, source: str) -> None:
    """Refuse what torch would copy number by number into a weight, though it means another one."""
    for key, value in state.items():
        own = expected[key]
        found = str(value.dtype)
        if value.layout is not own.layout:
            found = str(value.layout)
        elif value.is_meta and not own.is_meta:
            found = "meta (empty)"
        elif value.is_floating_point() or not (own.is_floating_point() or value.is_complex()):
            continue
        raise CheckpointError(
            f"{source} holds a {found} tensor under {key!r}, and the network's is {own.dtype}; "
            "save the weights as dense floating-point tensors (quantized ones as what they stand "
            "for)"
        )


def _has_names(state: StateDict, expected: StateDict) -> bool:
    # Any network may have a head, the authors' as well.
    return bool(expected.keys() & state.keys() - {"head.weight", "head.bias"})


def _part_that_is(state: StateDict, expected: StateDict, source: str) -> StateDict:
    """The weights of the one part that has a network's names, or all if none has."""
    parts: dict[str, StateDict] = {}
    for key, value in state.items():
        part, _, name = key.partition(".")
        parts.setdefault(part, {})[name] = value
    found = [part for part, inner in parts.items() if _has_names(inner, expected)]
    if len(found) > 1:
        raise CheckpointError(
            f"{source} holds several networks, {' and '.join(found)}; save the state dict of the "
            "one that you mean, with torch.save(model.state_dict(), path), or as safetensors"
        )
    return parts[found[0]] if found else state


def misfit(network: str, problems: list[str], source: str) -> CheckpointError:
    """The error of weights that are not a network's, with :func:`state_differences` of them."""
    return CheckpointError(
        f"the weights of {source} do not fit {network}: {'; '.join(problems)}. "
        "Create the network with the arguments that the weights were made with "
        "(num_classes, in_chans, compression, ...)"
    )


def adapt_channels(weight: torch.Tensor, in_chans: int) -> torch.Tensor:
    """Repeat a convolution's input channels, scaled so that the response keeps its size.

    Args:
        weight: Weight of a convolution (C_out, C_in, k, k).
        in_chans: Channels that its input is to have. For one channel the weights are summed.

    Returns:
        The weight (C_out, in_chans, k, k).

    Example:
        >>> adapt_channels(torch.ones(8, 3, 1, 1), 4)[0].flatten().tolist()
        [0.75, 0.75, 0.75, 0.75]
    """
    trained = weight.shape[1]
    if in_chans == 1:
        return weight.sum(1, keepdim=True)
    repeats = -(-in_chans // trained)
    return weight.repeat(1, repeats, 1, 1)[:, :in_chans] * (trained / in_chans)


def state_differences(expected: StateDict, state: StateDict) -> list[str]:
    """Compare names and shapes of weights.

    BatchNorm's counters of batches may be missing, as torch has it: they came after its weights.

    Args:
        expected: The network's own.
        state: What is to be loaded into it.

    Returns:
        What is missing, unexpected or of another shape, in words; nothing if all fit.
    """
    shapes = [
        f"{key} {tuple(state[key].shape)}, the network has {tuple(value.shape)}"
        for key, value in expected.items()
        if key in state and state[key].shape != value.shape
    ]
    missing = [key for key in expected.keys() - state.keys() if not key.endswith(_COUNTER)]
    return [
        *_listed("missing", sorted(missing)),
        *_listed("unexpected", sorted(state.keys() - expected.keys())),
        *_listed("of another shape", shapes),
    ]


def _in_our_names(model: nn.Module, state: StateDict, source: str) -> StateDict:
    convert = getattr(model, "convert_authors_weights", None)
    if convert is None:
        raise CheckpointError(f"no weight in {source} has a name that the network knows")
    try:
        converted: StateDict = convert(state)
    except NotImplementedError:
        raise CheckpointError(
            f"no weight in {source} has a name that {type(model).__name__} knows, and its authors "
            "published no checkpoint whose names could be translated"
        ) from None
    return converted


def _listed(what: str, names: list[str], most: int = 4) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return [f"{len(names)} {what} ({', '.join(names[:most])}{more})"]
