"""Where a network runs, checked before anything is moved there."""

import os

import torch


def usable_device(device: str | torch.device) -> torch.device:
    """Return a device that tensors can be made on.

    Args:
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``, ...

    Raises:
        ValueError: If there is no such device here; the message names those that there are.

    Example:
        >>> usable_device("cpu")
        device(type='cpu')
    """
    try:
        found = torch.device(device)
        torch.zeros(1, device=found).item()
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"device {str(device)!r} cannot be used here ({reason}); there are: "
            f"{', '.join(_present())}"
        ) from error
    return found


def _present() -> list[str]:
    names = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    return [*names, "mps"] if torch.backends.mps.is_available() else names


def best_device() -> str:
    """Return the GPU of this process where there is one, and ``"cpu"`` otherwise.

    Of several processes that ``torchrun`` started, each has the GPU of its local rank.
    """
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else "cpu"
