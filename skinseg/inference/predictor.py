"""A network with everything around it that turns images into masks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast, overload

import numpy as np
from PIL import Image

from skinseg.data.decoding import ImageError
from skinseg.data.normalization import Normalization
from skinseg.inference.opening import open_model
from skinseg.inference.pixels import ImageLike, is_array
from skinseg.inference.postprocessing import Postprocessing
from skinseg.inference.prediction import Prediction
from skinseg.inference.prefetch import prefetch_map
from skinseg.inference.preprocessing import Prepared, Preprocessing
from skinseg.inference.tiling import tiled_logits
from skinseg.logits import lesion_logits
from skinseg.pretrained import PretrainedCfg

if TYPE_CHECKING:
    import torch
    from torch import nn

    from skinseg.runtimes import Runtime

# Which of height (2) and width (3) each pass of test-time augmentation turns over.
_FLIPS: tuple[tuple[int, ...], ...] = ((), (3,), (2,), (2, 3))

# What every network of this package takes; its module would bring torch with it.
_MIN_INPUT_SIDE = 32


class Predictor:
    """Segments images of any kind and size.

    An image is resized to the size that the weights were trained at and normalized as their record
    says; a JPEG file is decoded no larger than that needs. The network's logits are resized
    bilinearly to the image's own size and become probabilities there (sigmoid of one output,
    softmax of two); a pixel is lesion where its probability reaches the threshold. Masks may be
    post-processed. The batch size changes no more than rounding does.

    A predictor may be used by several threads at once. It may be used in a process that was forked
    while no thread predicted, as by a ``DataLoader`` with workers: a network of torch then runs on
    one thread of the CPU; CUDA and exported files want a predictor that is made in that process. It
    may be pickled with its network, for processes that are spawned; not with an exported file.

    Args:
        model: Name for :func:`skinseg.create_model`, which loads its weights; or a network with
            one output (lesion) or two (skin, lesion) that maps (B, C, h, w) to logits
            (B, 1 or 2, h, w). It predicts in evaluation mode and is left as it was: it may be
            trained between two predictions, which use its weights as they are then. Or a file of
            :func:`skinseg.export`, such as ``"malunet.onnx"``, which needs no torch.
        threshold: Probability from which a pixel is lesion; above 0, below 1.
        tta: Test-time augmentation: average the probabilities over the four flips, at four times
            the cost.
        batch_size: Images that go through the network at once.
        runtime: What runs the network: ``"torch"``; ``"optimized"``, its fast form as of
            :func:`skinseg.optimize`; ``"compile"``, which is torch.compile; ``"onnxruntime"``,
            ``"openvino"`` or ``"executorch"``, for which a network is exported first. All but
            torch and torch.compile take the weights as they are now. None for torch, and for a
            file what its format is for.
        device: Where the network runs. None is the CPU for a name, and for a network where it is;
            a network that is elsewhere is not moved, but copied as it is now.
        input_size: (height, width) that the network sees, each 32 or more; an int for a square.
        normalization: How pixels 0..255 become the input.
        channel_order: Order of the color channels of arrays and tensors: ``"rgb"``, or ``"bgr"``,
            as OpenCV reads images. A mask for the wrong order looks plausible and is worse.
        workers: Threads that read images; None for one per core.
        largest_component: Keep of each mask the largest connected part alone; pixels that touch at
            an edge or a corner are connected.
        fill_holes: Make skin that is enclosed by lesion lesion, before the largest part is chosen.
        tile: For very large images in which lesions are small: side, in pixels of the image, of the
            squares that the network sees one after the other, each 32 or more. They overlap by a
            quarter, and their logits are blended as MONAI's ``sliding_window_inference`` does in
            its mode ``"gaussian"``. None for the whole image at once, which is what networks of
            this package were trained on.

    ``threshold``, ``input_size`` and ``normalization`` come from the weights' record where they are
    None, and are 0.5, (256, 256) and ``Normalization()`` for a network without a record. They are
    attributes, as used, and so are ``tta``, ``batch_size``, ``device``, ``channel_order``,
    ``workers`` and ``tile``.

    Attributes:
        model: The network; or, of an exported file, its path.
        runtime: What runs it, which is called with normalized batches.
        postprocessing: ``largest_component`` and ``fill_holes`` as a
            :class:`~skinseg.inference.Postprocessing`.

    Raises:
        ValueError: If the model is unknown or has no weights, an argument is out of range, the
            device is not there, or the network has other outputs or takes neither 3 channels nor 1
            (images are then converted to gray).
        TypeError: If ``model`` is neither a name nor a file nor a module, or one of another
            library has no fast form, or ``threshold``, ``batch_size``, ``input_size``, ``workers``
            or ``tile`` is no number, or no whole one.
        OSError: If an exported file is not there.
        ModuleNotFoundError: If the runtime is not installed.

    Example:
        >>> import skinseg
        >>> image, truth = skinseg.data.synthetic_lesion(0, size=128)
        >>> network = skinseg.create_model("malunet")  # untrained; its name gives trained weights
        >>> prediction = Predictor(network)(image)
        >>> prediction.mask.shape, prediction.probability.dtype
        ((128, 128), dtype('float32'))
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | nn.Module = "egeunet",
        *,
        threshold: float | None = None,
        tta: bool = False,
        batch_size: int = 8,
        runtime: str | None = None,
        device: str | torch.device | None = None,
        input_size: int | tuple[int, int] | None = None,
        normalization: Normalization | None = None,
        channel_order: Literal["rgb", "bgr"] = "rgb",
        workers: int | None = None,
        largest_component: bool = False,
        fill_holes: bool = False,
        tile: int | None = None,
    ) -> None:
        size = None if input_size is None else _checked_size(input_size)
        opened = open_model(model, runtime, device, size)
        self.runtime: Runtime = opened
        self.model: Any = getattr(opened, "network", model)
        self.device = opened.device
        record = opened.record or PretrainedCfg(architecture="")
        self.threshold = record.threshold if threshold is None else threshold
        self.input_size = size or _checked_size(record.input_size[1:])
        self.normalization = normalization or Normalization.from_dict(record.normalization)
        self.tta = tta
        self.batch_size = batch_size
        self.channel_order = channel_order
        self.workers = os.cpu_count() or 1 if workers is None else workers
        self.tile = None if tile is None else _checked_tile(tile)
        self.postprocessing = Postprocessing(fill_holes, largest_component)
        _check_network(self.runtime)
        if opened.size not in (None, self.input_size):
            raise ValueError(
                f"the exported network takes images of {opened.size} alone, not {self.input_size}; "
                "leave input_size out, or export it for another size"
            )
        _check_settings(self.threshold, self.batch_size, self.workers)
        _ = self.transforms  # Raises where its parts do not fit together.

    def __repr__(self) -> str:
        """Which weights, what runs them where, at which size and threshold."""
        height, width = self.input_size
        tta = ", four flips" if self.tta else ""
        return (
            f"<Predictor: {self.name} on {self.device}, sees {width} x {height} pixels, lesion "
            f"from {self.threshold:g}{tta}>"
        )

    @property
    def name(self) -> str:
        """Name of the weights; of a network without a record its class, of a file its path."""
        record = self.runtime.record
        if record is not None and record.architecture:
            return record.name
        if isinstance(self.model, str | os.PathLike):
            return os.fspath(self.model)
        return type(self.model).__name__

    @property
    def transforms(self) -> Preprocessing:
        """What makes the network's input of an image; see :func:`skinseg.create_transform`."""
        return Preprocessing(
            self.input_size, self.normalization, self.runtime.in_chans, self.channel_order
        )

    @overload
    def __call__(  # type: ignore[overload-overlap]  # A string is a sequence, too, but no images.
        self, images: str | os.PathLike[str] | bytes | BinaryIO | Image.Image
    ) -> Prediction: ...
    @overload
    # One image or a batch: the number of dimensions tells, which is not in the type.
    def __call__(self, images: np.ndarray | torch.Tensor) -> Any: ...
    @overload
    def __call__(self, images: Sequence[ImageLike]) -> list[Prediction]: ...
    def __call__(self, images: ImageLike | Sequence[ImageLike]) -> Prediction | list[Prediction]:
        """Segment an image, or several.

        Args:
            images: A path, also into a zip archive, as ``"photos.zip/x.jpg"``; a URL that fsspec
                knows, as ``"s3://bucket/x.jpg"``; the bytes of an image file, or such a file,
                open; a Pillow image; an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); a tensor
                (H, W), (1, H, W), (3, H, W) or (4, H, W); or several: a list or tuple of these, an
                array (B, H, W, C) or a tensor (B, C, H, W). Pixels are uint8, 0..255, or floating
                point, 0..1. Sides are of 8 pixels or more.

        Returns:
            A prediction for an image, a list of them for several.

        Raises:
            ImageError: If an image cannot be read, or its shape, size or values are wrong.
            TypeError: If it is of another type or dtype.
            ValueError: If the network returns something other than logits.
            FloatingPointError: If the network's output is not finite.
        """
        if isinstance(images, list | tuple) or (is_array(images) and images.ndim == 4):
            return list(self.stream(cast("Iterable[ImageLike]", images)))
        [prediction] = self.stream([cast("ImageLike", images)])
        return prediction

    @overload
    def stream(
        self, images: Iterable[ImageLike], *, return_exceptions: Literal[False] = False
    ) -> Iterator[Prediction]: ...
    @overload
    def stream(
        self, images: Iterable[ImageLike], *, return_exceptions: Literal[True]
    ) -> Iterator[Prediction | Exception]: ...
    def stream(
        self, images: Iterable[ImageLike], *, return_exceptions: bool = False
    ) -> Iterator[Prediction | Exception]:
        """Segment any number of images, one after the other, in bounded memory.

        Threads read files ahead of the network; there are at any time only the images that they are
        reading, those of the next batches at the network's size, and the prediction that you hold.

        Args:
            images: Images one by one, each as :meth:`__call__` takes it; a generator will do.
            return_exceptions: Yield the :class:`~skinseg.data.ImageError` or TypeError of an image
                that cannot be used in its prediction's place, and go on, instead of raising it.

        Yields:
            Predictions in the order of the images.

        Raises:
            Exception: As :meth:`__call__`.

        Example:
            >>> import skinseg
            >>> predictor = Predictor(skinseg.create_model("malunet"), batch_size=2)
            >>> images = (np.full((40, 40), gray, np.uint8) for gray in range(3))
            >>> [prediction.mask.shape for prediction in predictor.stream(images)]
            [(40, 40), (40, 40), (40, 40)]
        """
        if isinstance(images, str | bytes):
            one = repr(images) if isinstance(images, str) else "the bytes"
            raise TypeError(f"stream takes several images; for one, pass [{one}]")
        prepared = prefetch_map(
            self._try_to_prepare,
            enumerate(images),
            ahead=self.batch_size + self.workers,
            workers=self.workers,
        )
        while batch := list(islice(prepared, self.batch_size)):
            usable = [image for image in batch if isinstance(image, Prepared)]
            predictions = self._predictions(usable)
            for image in batch:
                if isinstance(image, Prepared):
                    yield next(predictions)
                elif return_exceptions:
                    yield image
                else:
                    raise image

    def predict_prepared(self, images: Sequence[Prepared]) -> list[Prediction]:
        """Segment images that were prepared elsewhere, all of them as one batch.

        For programs that read images in threads of their own, as ``skinseg serve`` does.

        Args:
            images: Each as ``transforms.prepare(image, tile=predictor.tile)`` returns it.

        Raises:
            ValueError: If the network returns something other than logits.
            FloatingPointError: If the network's output is not finite.

        Example:
            >>> import skinseg
            >>> predictor = Predictor(skinseg.create_model("malunet"))
            >>> image = predictor.transforms.prepare(np.zeros((40, 50, 3), np.uint8))
            >>> predictor.predict_prepared([image])[0].mask.shape
            (40, 50)
        """
        return list(self._predictions(images))

    def _predictions(self, images: Sequence[Prepared]) -> Iterator[Prediction]:
        logits = self._logits_of_images([image.pixels for image in images])
        for one, image in zip(logits, images, strict=True):
            yield Prediction.from_logits(
                one,
                image.size,
                self.threshold,
                channel_order=self.channel_order,
                postprocessing=self.postprocessing,
            )

    def _try_to_prepare(self, item: tuple[int, ImageLike]) -> Prepared | Exception:
        index, image = item
        try:
            return self.transforms.prepare(image, f"image {index}", tile=self.tile)
        except (ImageError, TypeError) as error:
            return error

    def _logits_of_images(self, images: list[np.ndarray]) -> Iterable[np.ndarray]:
        """Lesion logits (passes, h, w) of each normalized image (C, h, w)."""
        if self.tile is not None:
            # Images of any sizes, each of several windows.
            return (
                tiled_logits(pixels, self.input_size, self.batch_size, self._logits)
                for pixels in images
            )
        return self._logits(np.stack(images)) if images else ()

    def _logits(self, pixels: np.ndarray) -> np.ndarray:
        """Lesion logits (B, passes, h, w) of normalized images (B, C, h, w)."""
        flips = _FLIPS if self.tta else _FLIPS[:1]
        passes = [np.flip(self._lesion_logits(np.flip(pixels, f)), f) for f in flips]
        logits = np.concatenate(passes, axis=1)
        if not np.isfinite(logits).all():
            raise FloatingPointError(
                "the network's output holds NaN or infinite values; its weights are damaged, or "
                "belong to another normalization"
            )
        return logits

    def _lesion_logits(self, pixels: np.ndarray) -> np.ndarray:
        """The logits of lesion against skin, (B, 1, h, w); their sigmoid is the softmax of two."""
        output = self.runtime(np.ascontiguousarray(pixels))
        if output.ndim != 4 or len(output) != len(pixels) or output.shape[1] not in (1, 2):
            raise ValueError(
                f"the network returned a tensor {output.shape}; logits (B, 1, h, w) or "
                f"(B, 2, h, w) with B = {len(pixels)} were expected"
            )
        return lesion_logits(output)


def _check_network(runtime: Runtime) -> None:
    classes, in_chans = runtime.num_classes, runtime.in_chans
    if classes is not None and classes not in (1, 2):
        raise ValueError(
            f"the network has {classes} classes; a predictor needs one output (lesion) or two "
            "(skin, lesion)"
        )
    if in_chans not in (1, 3):
        raise ValueError(
            f"the network takes {in_chans} channels; images have 3 (color) or 1 (gray). Create it "
            "with in_chans=3 or in_chans=1"
        )


def _checked_size(input_size: int | Sequence[int]) -> tuple[int, int]:
    expected = (
        f"input_size must be (height, width) or one number for both, each {_MIN_INPUT_SIDE} or "
        f"more, not {input_size!r}"
    )
    sides = (input_size,) * 2 if isinstance(input_size, Integral) else input_size
    if not isinstance(sides, Sequence) or not all(isinstance(side, Integral) for side in sides):
        raise TypeError(expected)
    if len(sides) != 2 or min(sides) < _MIN_INPUT_SIDE:
        raise ValueError(expected)
    height, width = sides
    return int(height), int(width)


def _checked_tile(tile: int) -> int:
    if not isinstance(tile, Integral):
        raise TypeError(f"tile must be a number of pixels, {_MIN_INPUT_SIDE} or more, not {tile!r}")
    if tile < _MIN_INPUT_SIDE:
        raise ValueError(f"tile must be {_MIN_INPUT_SIDE} pixels or more, not {tile}")
    return int(tile)


def _check_settings(threshold: float, batch_size: int, workers: int) -> None:
    if not isinstance(threshold, Real):
        raise TypeError(f"threshold must be a number above 0 and below 1, not {threshold!r}")
    if not 0 < threshold < 1:
        raise ValueError(f"threshold must be above 0 and below 1, not {threshold}")
    for name, number in (("batch_size", batch_size), ("workers", workers)):
        if not isinstance(number, Integral):
            raise TypeError(f"{name} must be a whole number, 1 or more, not {number!r}")
        if number < 1:
            raise ValueError(f"{name} must be 1 or more, not {number}")
