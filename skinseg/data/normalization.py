"""How pixels become a network's input."""

import dataclasses
import math
from collections.abc import Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any, overload

import numpy as np

if TYPE_CHECKING:
    import torch


@dataclasses.dataclass(frozen=True, kw_only=True)
class Normalization:
    """How pixels 0..255 become a network's input; a part of every weight record.

    Attributes:
        kind: ``"minmax"`` stretches each image by its own darkest and brightest value to
            0..``scale``, as MALUNet and EGE-UNet are trained; ``"mean_std"`` divides by 255,
            subtracts ``mean`` and divides by ``std``.
        scale: Upper end of the stretch; with ``"minmax"``.
        mean: One value a channel, for pixels 0..1; with ``"mean_std"``.
        std: As ``mean``.

    Raises:
        ValueError: If ``kind`` is neither, ``"mean_std"`` lacks ``mean`` or ``std``, these are not
            as many, or ``scale`` or a value of ``std`` is not above 0.

    Example:
        >>> import torch
        >>> image = torch.tensor([50, 100, 150], dtype=torch.uint8).view(1, 3, 1, 1)
        >>> Normalization(kind="minmax", scale=1.0)(image).flatten()
        tensor([0.0000, 0.5000, 1.0000])
    """

    kind: str = "minmax"
    scale: float = 255.0
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("minmax", "mean_std"):
            raise ValueError(f'kind must be "minmax" or "mean_std", not {self.kind!r}')
        if self.kind == "mean_std" and (self.mean is None or self.std is None):
            raise ValueError('kind "mean_std" needs mean and std, one value per channel')
        if not _above_zero(self.scale):
            raise ValueError(f"scale must be a number above 0, not {self.scale!r}")
        if self.mean is not None and self.std is not None and len(self.mean) != len(self.std):
            raise ValueError(
                "mean and std must have one value per channel each, not "
                f"{len(self.mean)} and {len(self.std)}"
            )
        if self.std is not None and not all(map(_above_zero, self.std)):
            raise ValueError(f"std must be numbers above 0, not {self.std!r}")

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "Normalization":
        """Build from JSON data; unknown keys raise TypeError."""
        values = dict(settings)
        for key in ("mean", "std"):
            if values.get(key) is not None:
                values[key] = tuple(values[key])
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON data, without those that play no part."""
        if self.kind == "minmax":
            return {"kind": self.kind, "scale": self.scale}
        assert self.mean is not None and self.std is not None, "__post_init__ checks it"
        return {"kind": self.kind, "mean": list(self.mean), "std": list(self.std)}

    @overload
    def __call__(self, images: np.ndarray) -> np.ndarray: ...
    @overload
    def __call__(self, images: "torch.Tensor") -> "torch.Tensor": ...
    def __call__(self, images: Any) -> Any:
        """Normalize a batch.

        Args:
            images: Array or tensor (B, C, H, W), uint8 or floating point, values 0..255.

        Returns:
            Array or tensor of the same shape, floating point.
        """
        if isinstance(images, np.ndarray):
            return self._of_array(images)
        x = images if images.is_floating_point() else images.float()
        if self.kind == "minmax":
            low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
            # An image of one color has nothing to stretch; it becomes zeros.
            return (x - low) * (self.scale / (high - low).clamp(min=1e-6))
        mean, std = (x.new_tensor(v).view(1, -1, 1, 1) for v in (self.mean, self.std))
        return (x / 255.0 - mean) / std

    def _of_array(self, images: np.ndarray) -> np.ndarray:
        """The same, step by step, for those who have no torch."""
        floats = np.issubdtype(images.dtype, np.floating)
        x: np.ndarray = images if floats else images.astype(np.float32)
        if self.kind == "minmax":
            low, high = (x.min((1, 2, 3), keepdims=True), x.max((1, 2, 3), keepdims=True))
            x = x - low
            x *= np.float32(self.scale) / np.maximum(high - low, np.float32(1e-6))
            return x
        mean, std = (np.array(v, x.dtype).reshape(1, -1, 1, 1) for v in (self.mean, self.std))
        x = x / np.float32(255) - mean
        x /= std
        return x


def _above_zero(value: float) -> bool:
    """Whether it is a number that may be multiplied with or divided by; NaN is none."""
    return isinstance(value, Real) and 0 < value < math.inf
