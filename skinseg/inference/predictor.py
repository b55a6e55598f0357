"""A network with everything around it that turns images into masks."""

import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Literal, overload

import numpy as np
import torch
from PIL import Image
from torch import nn

from skinseg.data.images import ImageError
from skinseg.data.normalization import Normalization
from skinseg.data.transforms import resize_images
from skinseg.factory import create_model
from skinseg.inference.device import usable_device
from skinseg.inference.pixels import ImageLike, as_rgb
from skinseg.inference.prediction import Prediction
from skinseg.inference.prefetch import prefetch_map
from skinseg.logits import lesion_logits
from skinseg.models.base import MIN_SIZE
from skinseg.pretrained import PretrainedCfg

# Which of height (2) and width (3) each pass of test-time augmentation turns over.
_FLIPS: tuple[tuple[int, ...], ...] = ((), (3,), (2,), (2, 3))
_WORKERS = min(4, os.cpu_count() or 1)


@dataclasses.dataclass(frozen=True)
class _Prepared:
    """An image at the network's size, uint8 (C, h, w), and its own size (H, W)."""

    pixels: torch.Tensor
    size: tuple[int, int]


class Predictor:
    """Segments images of any kind and size.

    An image is resized to the size that the weights were trained at and normalised as their record
    says. The network's logits are resized bilinearly to the image's own size and become
    probabilities there (sigmoid of one output, softmax of two); a pixel is lesion where its
    probability reaches the threshold. The batch size changes no more than rounding does.

    Args:
        model: Name for :func:`skinseg.create_model`, which loads its weights; or a network with
            one output (lesion) or two (skin, lesion) that maps (B, C, h, w) to logits
            (B, 1 or 2, h, w). It is put in evaluation mode and moved to ``device``.
        threshold: Probability from which a pixel is lesion; above 0, below 1.
        tta: Test-time augmentation: average the probabilities over the four flips, at four times
            the cost.
        batch_size: Images that go through the network at once.
        device: Where the network runs.
        input_size: (height, width) that the network sees, each 32 or more.
        normalization: How pixels 0..255 become the input.

    ``threshold``, ``input_size`` and ``normalization`` come from the weights' record where they are
    None, and are 0.5, (256, 256) and ``Normalization()`` for a network without a record.

    Attributes:
        model: The network.
        threshold, tta, batch_size, device, input_size, normalization: As used.

    Raises:
        ValueError: If the model is unknown or has no weights, an argument is out of range, the
            device is not there, or the network has other outputs or takes neither 3 channels nor 1
            (images are then converted to grey).
        TypeError: If ``model`` is neither a name nor a module.

    Example:
        >>> from skinseg.data import synthetic_lesion
        >>> image, truth = synthetic_lesion(0, size=128)
        >>> network = create_model("malunet")  # untrained; give the name for trained weights
        >>> prediction = Predictor(network)(image)
        >>> prediction.mask.shape, prediction.probability.dtype
        ((128, 128), dtype('float32'))
    """

    def __init__(
        self,
        model: str | nn.Module = "egeunet",
        *,
        threshold: float | None = None,
        tta: bool = False,
        batch_size: int = 8,
        device: str | torch.device = "cpu",
        input_size: tuple[int, int] | None = None,
        normalization: Normalization | None = None,
    ) -> None:
        self.device = usable_device(device)
        network = create_model(model, pretrained=True) if isinstance(model, str) else model
        if not isinstance(network, nn.Module):
            raise TypeError(
                f"model must be a name or a torch.nn.Module, not {type(network).__name__}"
            )
        record = getattr(network, "pretrained_cfg", None)
        # Networks of other libraries may keep something else under that name.
        record = record if isinstance(record, PretrainedCfg) else PretrainedCfg(architecture="")
        self.threshold = record.threshold if threshold is None else threshold
        self.input_size = tuple(record.input_size[1:] if input_size is None else input_size)
        self.normalization = normalization or Normalization.from_dict(record.normalization)
        self.tta = tta
        self.batch_size = batch_size
        self._in_chans = getattr(network, "in_chans", 3)
        _check_network(network, self._in_chans, self.normalization)
        _check_settings(self.threshold, self.batch_size, self.input_size)
        self.model = network.to(self.device).eval()

    @overload
    def __call__(self, images: str | os.PathLike[str] | Image.Image) -> Prediction: ...
    @overload
    # One image or a batch: the number of dimensions tells, which is not in the type.
    def __call__(self, images: np.ndarray | torch.Tensor) -> Any: ...
    @overload
    def __call__(self, images: Sequence[ImageLike]) -> list[Prediction]: ...
    def __call__(self, images: ImageLike | Sequence[ImageLike]) -> Prediction | list[Prediction]:
        """Segment an image, or several.

        Args:
            images: A path; a Pillow image; an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); a
                tensor (H, W), (1, H, W), (3, H, W) or (4, H, W); or several: a list or tuple of
                these, an array (B, H, W, C) or a tensor (B, C, H, W). Pixels are uint8, 0..255, or
                floating point, 0..1. Sides of 8 pixels or more.

        Returns:
            A prediction for an image, a list of them for several.

        Raises:
            ImageError: If an image cannot be read, or its shape, size or values are wrong.
            TypeError: If it is of another type or dtype.
            ValueError: If the network returns something other than logits.
            FloatingPointError: If the network's output is not finite.
        """
        if isinstance(images, list | tuple) or _is_batch(images):
            return list(self.stream(images))
        [prediction] = self.stream([images])
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

        Threads read files ahead of the network; at full size there are at any time only the images
        that they are reading, and the prediction that you hold.

        Args:
            images: Images one by one, each as :meth:`__call__` takes it; a generator will do.
            return_exceptions: Yield the :class:`~skinseg.data.ImageError` or TypeError of an image
                that cannot be used in its prediction's place, and go on, instead of raising it.

        Yields:
            Predictions in the order of the images.

        Raises:
            Exception: As :meth:`__call__`.

        Example:
            >>> predictor = Predictor(create_model("malunet"), batch_size=2)
            >>> images = (np.full((40, 40), grey, np.uint8) for grey in range(3))
            >>> [prediction.mask.shape for prediction in predictor.stream(images)]
            [(40, 40), (40, 40), (40, 40)]
        """
        if isinstance(images, str):
            raise TypeError(f"stream takes several images; for one, pass [{images!r}]")
        prepared = prefetch_map(
            self._try_to_prepare,
            enumerate(images),
            ahead=self.batch_size + _WORKERS,
            workers=_WORKERS,
        )
        while batch := list(islice(prepared, self.batch_size)):
            usable = [image for image in batch if isinstance(image, _Prepared)]
            logits = iter(self._logits(torch.stack([i.pixels for i in usable])) if usable else ())
            for image in batch:
                if isinstance(image, _Prepared):
                    yield self._finish(next(logits), image.size)
                elif return_exceptions:
                    yield image
                else:
                    raise image

    def _try_to_prepare(self, item: tuple[int, ImageLike]) -> _Prepared | Exception:
        index, image = item
        try:
            rgb = as_rgb(image, f"image {index}")
        except (ImageError, TypeError) as error:
            return error
        size = rgb.shape[:2]
        pixels = np.asarray(Image.fromarray(rgb).convert("L"))[:, :, None] if self._grey else rgb
        # torch warns of arrays that it may not write to, and refuses negative strides.
        tensor = torch.from_numpy(np.require(pixels, requirements=["C", "W"]))
        return _Prepared(resize_images(tensor.permute(2, 0, 1)[None], self.input_size)[0], size)

    @property
    def _grey(self) -> bool:
        return self._in_chans == 1

    @torch.inference_mode()
    def _logits(self, pixels: torch.Tensor) -> torch.Tensor:
        """Lesion logits (B, passes, h, w), on the CPU, of images (B, C, h, w)."""
        # It may be in training since: predictions between epochs are a common use.
        self.model.eval()
        x = self.normalization(pixels.to(self.device))
        flips = _FLIPS if self.tta else _FLIPS[:1]
        passes = [_lesion_logit(self.model(x.flip(f)), len(x)).flip(f) for f in flips]
        logits = torch.cat(passes, dim=1).float().cpu()
        if not logits.isfinite().all():
            raise FloatingPointError(
                "the network's output holds NaN or infinite values; its weights are damaged, or "
                "belong to another normalisation"
            )
        return logits

    @torch.inference_mode()
    def _finish(self, logits: torch.Tensor, size: tuple[int, int]) -> Prediction:
        """Turn the logits (passes, h, w) of an image into its prediction."""
        passes = (resize_images(logit[None, None], size).sigmoid() for logit in logits)
        probability = (sum(passes) / len(logits))[0, 0].numpy()
        return Prediction(probability, probability >= self.threshold)


def _is_batch(images: object) -> bool:
    return isinstance(images, np.ndarray | torch.Tensor) and images.ndim == 4


def _lesion_logit(output: object, batch: int) -> torch.Tensor:
    """The logit of lesion against skin, (B, 1, h, w); its sigmoid is the softmax of two."""
    if not isinstance(output, torch.Tensor):
        raise ValueError(
            f"the network returned {type(output).__name__}, not a tensor of logits; wrap it in a "
            "module that returns its logits alone"
        )
    if output.ndim != 4 or output.shape[0] != batch or output.shape[1] not in (1, 2):
        raise ValueError(
            f"the network returned a tensor {tuple(output.shape)}; logits (B, 1, h, w) or "
            f"(B, 2, h, w) with B = {batch} were expected"
        )
    return lesion_logits(output)


def _check_network(network: nn.Module, in_chans: int, normalization: Normalization) -> None:
    classes = getattr(network, "num_classes", None)
    if classes is not None and classes not in (1, 2):
        raise ValueError(
            f"the network has {classes} classes; a predictor needs one output (lesion) or two "
            "(skin, lesion)"
        )
    if in_chans not in (1, 3):
        raise ValueError(
            f"the network takes {in_chans} channels; images have 3 (colour) or 1 (grey). Create it "
            "with in_chans=3 or in_chans=1"
        )
    if normalization.mean is not None and len(normalization.mean) != in_chans:
        raise ValueError(
            f"the normalisation has {len(normalization.mean)} means and the network takes "
            f"{in_chans} channels; pass normalization= with as many"
        )


def _check_settings(threshold: float, batch_size: int, input_size: tuple[int, ...]) -> None:
    if not 0 < threshold < 1:
        raise ValueError(f"threshold must be above 0 and below 1, not {threshold}")
    if batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more, not {batch_size}")
    if len(input_size) != 2 or min(input_size) < MIN_SIZE:
        raise ValueError(
            f"input_size must be (height, width), each {MIN_SIZE} or more, not {input_size}"
        )
