"""From any image to a network's input."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from skinseg.data.normalization import Normalization
from skinseg.data.resizing import enough_for, resize_image
from skinseg.inference.pixels import CHANNEL_ORDERS, ImageLike, as_reduced_image, is_array
from skinseg.inference.tiling import tiled_size
from skinseg.pretrained import PretrainedCfg

if TYPE_CHECKING:
    import torch
    from torch import nn

# A side that no image has: nothing is decoded at a fraction of its size.
_WHOLE = 2**30


class Prepared(NamedTuple):
    """An image as the network takes it, float32 (C, h, w), and its own size (H, W)."""

    pixels: np.ndarray
    size: tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """Makes a network's input of an image, exactly as :class:`~skinseg.Predictor` does.

    The image is resized bilinearly with antialiasing, made gray where the network takes one
    channel, and normalized. It is a transform for torchvision's data sets, and may be pickled.

    Attributes:
        input_size: (height, width) that the network sees.
        normalization: How pixels 0..255 become the input.
        in_chans: Channels of the input, 3 or 1.
        channel_order: Order of the color channels of arrays and tensors, ``"rgb"`` or ``"bgr"``.

    Raises:
        ValueError: If the normalization has not as many means as there are channels, or the
            order of the channels is neither.

    Example:
        >>> transform = Preprocessing((64, 96), Normalization(kind="minmax", scale=1.0))
        >>> x = transform(np.arange(7500, dtype=np.uint8).reshape(50, 50, 3))
        >>> x.shape, x.dtype, float(x.min()), float(x.max())
        (torch.Size([3, 64, 96]), torch.float32, 0.0, 1.0)
    """

    input_size: tuple[int, int] = (256, 256)
    normalization: Normalization = dataclasses.field(default_factory=Normalization)
    in_chans: int = 3
    channel_order: str = "rgb"

    def __post_init__(self) -> None:
        means = self.normalization.mean
        if means is not None and len(means) != self.in_chans:
            raise ValueError(
                f"the normalization has {len(means)} means and the network takes "
                f"{self.in_chans} channels; pass normalization= with as many"
            )
        if self.channel_order not in CHANNEL_ORDERS:
            raise ValueError(f"channel_order must be 'rgb' or 'bgr', not {self.channel_order!r}")

    def __call__(self, image: ImageLike) -> torch.Tensor:
        """Return the input of one image, float32 (C, h, w); ``x[None]`` is a batch of it.

        Args:
            image: As :class:`~skinseg.Predictor` takes it: a path, a Pillow image, an array or a
                tensor, of any size.

        Raises:
            ImageError: If the image cannot be read, or its shape, size or values are wrong.
            TypeError: If it is of another type or dtype.
        """
        import torch  # What prepares images for exported files has no torch.

        return torch.from_numpy(self.prepare(image).pixels)

    def prepare(
        self, image: ImageLike, name: str = "the image", *, tile: int | None = None
    ) -> Prepared:
        """Return the input as an array, with the image's own size.

        Args:
            image: As :meth:`__call__` takes it.
            name: What errors call an image that is no file.
            tile: Side of the tiles, in pixels of the image, that are seen at ``input_size`` each;
                None to see the image as a whole.

        Raises:
            ImageError: As :meth:`__call__`.
            TypeError: As :meth:`__call__`.
        """
        enough = enough_for(self.input_size) if tile is None else (_WHOLE, _WHOLE)
        reduced = as_reduced_image(image, enough, name)
        size = self.input_size
        if tile is not None:
            size = tiled_size(reduced.size, tile, size)
        pixels = resize_image(reduced.image, size, reduced.box)
        if self.channel_order == "bgr" and is_array(image):
            pixels = np.ascontiguousarray(pixels[:, :, ::-1])
        if self.in_chans == 1:
            pixels = np.asarray(Image.fromarray(pixels).convert("L"))[:, :, None]
        channels_first = np.ascontiguousarray(pixels.transpose(2, 0, 1))
        return Prepared(self.normalization(channels_first[None])[0], reduced.size)


def create_transform(weights: PretrainedCfg | nn.Module) -> Preprocessing:
    """Return how images are prepared for weights, as their record says.

    Args:
        weights: The record, of :func:`skinseg.get_pretrained_cfg` or a network's
            ``pretrained_cfg``; or the network, also in ``DataParallel``, an average or compiled.
            Of a network of timm its own ``input_size``, ``mean`` and ``std`` are taken; images are
            resized whole, not cropped. One that says nothing sees 256 x 256 pixels, normalized as
            by ``Normalization()``.

    Raises:
        ValueError: If the record's normalization does not fit the network's channels.

    Example:
        >>> import skinseg
        >>> net = skinseg.create_model("malunet", pretrained=True).eval()
        >>> transform = create_transform(net)
        >>> image, _ = skinseg.data.synthetic_lesion(0, size=300)
        >>> net(transform(image)[None]).shape
        torch.Size([1, 1, 128, 128])
    """
    if isinstance(weights, PretrainedCfg):
        record, in_chans = weights, weights.input_size[0]
    else:
        from skinseg import hub  # Brings torch, which exported files do without.

        record = hub.record_in(weights) or PretrainedCfg(architecture="")
        in_chans = hub.channels_in(weights)
    _, height, width = record.input_size
    normalization = Normalization.from_dict(record.normalization)
    return Preprocessing((height, width), normalization, in_chans)
