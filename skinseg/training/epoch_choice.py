"""Which epoch of a run is the best one, which one is kept, and what validation decided."""

from collections.abc import Mapping, Sequence
from typing import Any


def kept_epoch(log: Sequence[Mapping[str, Any]], keep: str) -> int:
    """Return the number of the epoch, from 1, whose weights are kept.

    Args:
        log: What :func:`skinseg.training.train` returned, or its ``log.json``; not empty.
        keep: Of the recipe.

    Example:
        >>> log = [{"epoch": n, "validation": {"pooled_iou": n % 2}} for n in (1, 2)]
        >>> kept_epoch(log, "best"), kept_epoch(log, "last")
        (1, 2)
    """
    return len(log) if keep == "last" else best_epoch(log, keep)


def best_epoch(log: Sequence[Mapping[str, Any]], keep: str) -> int:
    """Return the number of the epoch, from 1, that is best on the validation images.

    Args:
        log: As in :func:`kept_epoch`.
        keep: Of the recipe: ``"lowest_loss"`` compares losses, all else pooled IoU.

    Returns:
        The first one of equals; 0 if no epoch was validated.

    Example:
        >>> log = [{"epoch": n, "validation": {"pooled_iou": n % 2}} for n in (1, 2, 3)]
        >>> best_epoch(log, "last")
        1
    """
    validated = [entry for entry in log if "validation" in entry]
    if not validated:
        return 0
    if keep == "lowest_loss":
        best = min(validated, key=lambda entry: entry["validation"]["loss"])
    else:
        best = max(validated, key=lambda entry: entry["validation"]["pooled_iou"])
    number: int = best["epoch"]
    return number


def decided_by_validation(recipe: Mapping[str, Any]) -> str | None:
    """Say what the images that are validated decide, after "which"; None if they decide nothing.

    Args:
        recipe: Settings as JSON data, those of a record or of a run's ``recipe.json``.

    Example:
        >>> decided_by_validation({"keep": "best", "early_stop": None})
        'chose the epoch'
        >>> decided_by_validation({"keep": "last", "early_stop": 5})
        'could end the run early'
    """
    if recipe["keep"] != "last":
        return "chose the epoch"
    return None if recipe["early_stop"] is None else "could end the run early"
