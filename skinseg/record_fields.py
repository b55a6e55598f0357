"""What each field of a weight record may hold: checked once, whoever wrote the record."""

import re
from collections.abc import Callable, Mapping
from typing import Any

Check = tuple[Callable[[Any], bool], str]

# Beyond it no image is taken; see skinseg.data.
_MOST_PIXELS = 65_535
_MOST_LEVELS = 32


def check_fields(record: Mapping[str, Any], source: str) -> None:
    """Check the values of a record read from JSON.

    Args:
        record: The data; keys that are no field are left to the caller.
        source: What errors call it.

    Raises:
        ValueError: If a value is of a wrong kind; it names field and value.

    Example:
        >>> check_fields({"architecture": "malunet", "threshold": 0.5}, "config.json")
        >>> check_fields({"threshold": "high"}, "config.json")
        Traceback (most recent call last):
        ValueError: config.json: 'threshold' must be a number above 0 and below 1, not 'high'
    """
    for name, value in record.items():
        fits, wanted = _CHECKS.get(name, (_anything, ""))
        if not fits(value):
            raise ValueError(f"{source}: {name!r} must be {wanted}, not {_short(value)}")


def check_depth(data: Any, source: str) -> None:
    """Refuse JSON data with more levels than any record has.

    Raises:
        ValueError: If there are more than 32.
    """
    level = [data]
    for _ in range(_MOST_LEVELS):
        level = [inner for value in level for inner in _inside(value)]
        if not level:
            return
    raise ValueError(f"{source} has more than {_MOST_LEVELS} levels of lists and objects")


def _inside(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple)) else []


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _anything(value: Any) -> bool:
    return True


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_optional_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_hash(value: Any) -> bool:
    return value is None or (isinstance(value, str) and bool(re.fullmatch("[0-9a-f]{64}", value)))


def _is_count(value: Any) -> bool:
    return value is None or (_is_int(value) and value >= 0)


def _is_size(value: Any) -> bool:
    sizes = isinstance(value, (list, tuple)) and len(value) == 3
    return sizes and all(_is_int(side) and 1 <= side <= _MOST_PIXELS for side in value)


def _is_threshold(value: Any) -> bool:
    number = isinstance(value, float) or _is_int(value)
    return number and 0 < value < 1


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


def _is_objects(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(map(_is_object, value))


_TEXT: Check = (_is_optional_text, "a text or null")
_OBJECT: Check = (_is_object, "an object")
_OBJECTS: Check = (_is_objects, "a list of objects")
_CHECKS: dict[str, Check] = {
    "architecture": (_is_name, "the name of a network"),
    "tag": (_is_text, "a text"),
    "model_args": _OBJECT,
    "surgery": _OBJECTS,
    "file": _TEXT,
    "hf_hub_id": _TEXT,
    "sha256": (_is_hash, "64 hexadecimal digits or null"),
    "num_params": (_is_count, "a number of parameters or null"),
    "input_size": (_is_size, "three positive integers (channels, height, width)"),
    "normalization": _OBJECT,
    "threshold": (_is_threshold, "a number above 0 and below 1"),
    "training_data": _OBJECT,
    "recipe": _OBJECT,
    "commit": _TEXT,
    "metrics": _OBJECTS,
    "license": _TEXT,
    "limitations": _TEXT,
}
