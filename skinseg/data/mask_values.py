"""Masks whose values do not say by themselves what is lesion."""

from collections.abc import Sequence

from skinseg.data.decoding import ImageError

WHITE = 255
_SHOWN = 4


class MaskValuesError(ImageError):
    """A mask holds values other than 0, and none of them means lesion, or two of them may.

    Args:
        name: The mask, as messages call it.
        values: All its values, sorted.

    Attributes:
        what: What the mask holds.
        remedy: How to say what the values mean.

    Example:
        >>> MaskValuesError("'x.png'", [0, 2]).what
        "'x.png' holds 0 and 2, and no value that means lesion (above 127 of 255)"
    """

    def __init__(self, name: str, values: Sequence[int]) -> None:
        self.what = f"{name} holds {_listed(values)}, and "
        if {*values} - {0} == {1, WHITE}:
            # In masks as PASCAL VOC has them 1 is a class, and 255 what is left out.
            self.what += "either 1 or 255 may mean lesion"
        else:
            self.what += "no value that means lesion (above 127 of 255)"
        self.remedy = _remedy(values)
        super().__init__(f"{self.what}. {self.remedy}")


def _listed(values: Sequence[int]) -> str:
    if len(values) > _SHOWN:
        return f"{', '.join(map(str, values[: _SHOWN - 1]))}, ..., {values[-1]}"
    *first, last = map(str, values)
    return f"{', '.join(first)} and {last}" if first else last


def _remedy(values: Sequence[int]) -> str:
    """Propose that 0, or else the least value, is background, and that the others are lesion."""
    background = 0 if 0 in values or len(values) == 1 else values[0]
    lesions = [value for value in values if value != background]
    remedies = []
    if len(lesions) < _SHOWN:
        names = {background: "background", **dict.fromkeys(lesions, "lesion")}
        remedies.append(f"MappedLabels(dataset, {names})")
    if background == 0:
        remedies.append("AnyLabel(dataset), if all values but 0 are lesion")
    return f"Say what the values mean: {'. Or '.join(remedies or ['save 0 and 255'])}."
