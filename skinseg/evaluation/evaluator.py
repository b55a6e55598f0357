"""A network's masks for a data set, scored."""

import dataclasses
import os
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from skinseg.data import DatasetError, Sample, SegmentationDataset
from skinseg.data.transforms import resize_sample
from skinseg.evaluation.case import Case, score_case
from skinseg.evaluation.result import EvaluationResult
from skinseg.evaluation.summary import by_lesion_size, summarize
from skinseg.formatting import counted, printable
from skinseg.inference import Prediction, Predictor
from skinseg.inference.pixels import check_sides
from skinseg.inference.prefetch import prefetch_map
from skinseg.progress import progress_bar

SIZES = ("own", "model")
"""Sizes that images can be scored at: their own, and the network's input size."""

_WORKERS = min(4, os.cpu_count() or 1)


def evaluate(
    predictor: Predictor,
    dataset: SegmentationDataset,
    *,
    sizes: Sequence[str] = SIZES,
    tolerance: float | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    model: str = "",
    data: str = "",
    progress: bool = True,
) -> EvaluationResult:
    """Score a network's masks, image by image and pooled over all pixels.

    At size ``"own"`` the predictor's mask is compared with the true mask as it is. At size
    ``"model"`` image and true mask are resized to the predictor's input size first; an image of
    that size already is scored once for both. Where the predictor post-processes masks, those
    without it are scored, too.

    Args:
        predictor: Network with threshold, size and test-time augmentation.
        dataset: Images with masks.
        sizes: ``"own"``, ``"model"`` or both.
        tolerance: Tolerance of the surface Dice in pixels; 1 % of each image's diagonal if None.
        bootstrap: Resamples of the images that 95 % intervals come from; 0 for no intervals.
        seed: Random seed for the resampling. Two networks scored on the same images with the same
            seed get the same resamples.
        model: What the report calls the network.
        data: What the report calls the data set.
        progress: Show a progress bar on standard error.

    Raises:
        ValueError: If an argument is out of range, or the data set is empty.
        TypeError: If ``predictor`` is a network.
        DatasetError: If an image has no mask, or one of another size.
        ImageError: If a file cannot be read, or an image has a side of fewer than 8 pixels: no
            score is given for a part of the images.

    Example:
        >>> import skinseg
        >>> predictor = Predictor(skinseg.create_model("malunet"))
        >>> dataset = skinseg.data.SyntheticDermoscopy(2, 64)
        >>> report = evaluate(predictor, dataset, progress=False)
        >>> report.images, list(report.summaries), len(report.cases["own"])
        (2, ['own', 'model'], 2)
    """
    _check(predictor, dataset, sizes, tolerance, bootstrap)
    if predictor.tile is not None and "model" in sizes:
        raise ValueError("a predictor with tile scores images at their own size: sizes=('own',)")
    cases: dict[str, list[Case]] = {size: [] for size in sizes}
    plain: dict[str, list[Case]] = {size: [] for size in sizes}
    scored = _scored(predictor, dataset, tuple(sizes), tolerance)
    with progress_bar(shown=progress) as bar:
        for done in bar.track(scored, len(dataset), description="evaluating"):
            for size, (case, other) in done.items():
                cases[size].append(case)
                plain[size].append(other)
    resampling = {"bootstrap": bootstrap, "seed": seed}

    def result(cases: dict[str, list[Case]], **others: Any) -> EvaluationResult:
        return EvaluationResult(
            cases=cases,
            summaries={size: summarize(cases[size], **resampling) for size in sizes},
            lesion_sizes={size: by_lesion_size(cases[size], **resampling) for size in sizes},
            model=model or _model_name(predictor),
            data=data or repr(dataset),
            images=len(dataset),
            **others,
        )

    steps = dataclasses.asdict(predictor.postprocessing)
    settings = {
        "weights_sha256": _weights_hash(predictor),
        "input_size": list(predictor.input_size),
        "normalization": predictor.normalization.to_dict(),
        "threshold": predictor.threshold,
        "tta": predictor.tta,
        "tile": predictor.tile,
        "device": str(predictor.device),
        "surface_tolerance": tolerance,
        **resampling,
    }
    if not predictor.postprocessing:
        return result(cases, settings={**settings, **steps})
    without = result(plain, settings={**settings, **dict.fromkeys(steps, False)})
    return result(cases, settings={**settings, **steps}, without_postprocessing=without)


def _model_name(predictor: Predictor) -> str:
    model = predictor.model
    return str(model) if isinstance(model, str | os.PathLike) else type(model).__name__


def _weights_hash(predictor: Predictor) -> str | None:
    record = predictor.runtime.record
    return None if record is None else record.sha256


class _Job(NamedTuple):
    """An image at one size, and the names of the sizes that this is."""

    id: str
    image: np.ndarray
    truth: np.ndarray
    lesion_fraction: float
    sizes: tuple[str, ...]
    last: bool


def _scored(
    predictor: Predictor,
    dataset: SegmentationDataset,
    sizes: tuple[str, ...],
    tolerance: float | None,
) -> Iterator[dict[str, tuple[Case, Case]]]:
    """Yield each image's cases at each size, in the order of the data set.

    They are two: of the predictor's mask, and of the one without post-processing.
    """

    def score(item: tuple[_Job, Prediction]) -> tuple[_Job, tuple[Case, Case]]:
        job, prediction = item

        def of(mask: np.ndarray) -> Case:
            return score_case(
                job.id,
                prediction.probability,
                mask,
                job.truth,
                lesion_fraction=job.lesion_fraction,
                tolerance=tolerance,
            )

        case, plain = of(prediction.mask), prediction.without_postprocessing
        return job, (case, case if plain is prediction else of(plain.mask))

    predicted = _predicted(predictor, dataset, sizes)
    of_image: dict[str, tuple[Case, Case]] = {}
    for job, cases in prefetch_map(score, predicted, ahead=_WORKERS, workers=_WORKERS):
        of_image.update(dict.fromkeys(job.sizes, cases))
        if job.last:
            yield of_image
            of_image = {}


def _predicted(
    predictor: Predictor, dataset: SegmentationDataset, sizes: tuple[str, ...]
) -> Iterator[tuple[_Job, Prediction]]:
    waiting: deque[_Job] = deque()
    height, width = predictor.input_size

    def images() -> Iterator[np.ndarray]:
        indices = range(len(dataset))
        for sample in prefetch_map(dataset.__getitem__, indices, ahead=_WORKERS, workers=_WORKERS):
            for job in _jobs(sample, sizes, (height, width)):
                waiting.append(job)
                yield job.image

    for prediction in predictor.stream(images()):
        yield waiting.popleft(), prediction


def _jobs(sample: Sample, sizes: tuple[str, ...], input_size: tuple[int, int]) -> list[_Job]:
    fraction = float(sample.mask.mean())
    # Reports are UTF-8; the file systems that names come from need not be.
    id = printable(sample.id)
    check_sides(sample.mask.shape, f"'{id}'")
    own = (id, sample.image, sample.mask, fraction)
    if sample.mask.shape == input_size:
        return [_Job(*own, sizes=sizes, last=True)]
    jobs = [_Job(*own, sizes=("own",), last="model" not in sizes)] if "own" in sizes else []
    if "model" in sizes:
        image, mask = _resized(sample, input_size)
        jobs.append(_Job(id, image, mask, fraction, sizes=("model",), last=True))
    return jobs


def _resized(sample: Sample, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Image and mask as the trainer resizes them."""
    image, mask = resize_sample(sample.image, sample.mask, size)
    return image[0].permute(1, 2, 0).contiguous().numpy(), mask[0, 0].numpy()


def _check(
    predictor: object,
    dataset: SegmentationDataset,
    sizes: Sequence[str],
    tolerance: float | None,
    bootstrap: int,
) -> None:
    if not isinstance(predictor, Predictor):
        raise TypeError(
            f"predictor must be a skinseg.Predictor, not {type(predictor).__name__}; of a network "
            "give Predictor(network)"
        )
    if not sizes or set(sizes) - set(SIZES) or len(set(sizes)) < len(sizes):
        raise ValueError(f"sizes must be 'own', 'model' or both, not {sizes!r}")
    if tolerance is not None and not tolerance >= 0:
        raise ValueError(f"tolerance must be 0 or more pixels, not {tolerance}")
    if bootstrap < 0:
        raise ValueError(f"bootstrap must be 0 or more resamples, not {bootstrap}")
    if not len(dataset):
        raise ValueError("the data set has no images")
    unmasked = [
        str(dataset.image_path(index))
        for index in range(len(dataset))
        if dataset.image_path(index) is not None and dataset.mask_path(index) is None
    ]
    if unmasked:
        raise DatasetError(
            f"No mask: {len(unmasked)} of {counted(len(dataset), 'image')}, the first "
            f"'{unmasked[0]}'. Add the masks, or leave the images out with a split file."
        )
