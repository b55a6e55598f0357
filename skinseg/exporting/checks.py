"""Comparing a file with the published network, on random and on drawn images."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn

from skinseg.data.normalization import Normalization
from skinseg.data.synthetic import synthetic_lesion
from skinseg.exporting.preprocessing import Preprocessed
from skinseg.exporting.report import Check, ExportError, check_table
from skinseg.logits import lesion_logits
from skinseg.runtimes.base import FileRuntime
from skinseg.runtimes.metadata import ExportMetadata

# Difference of the output, as a fraction of the largest one, and mask IoU that pass: by what the
# file takes and how precise its weights are. Where images are resized to 8 bits inside, runtimes
# round single pixels to the next level, which moves the probabilities of random images most.
TOLERANCES = {
    ("normalized", "float32"): (1e-4, 0.999),
    ("normalized", "float16"): (2e-2, 0.95),
    ("rgb", "float32"): (2e-2, 0.99),
    ("rgb", "float16"): (5e-2, 0.95),
}
_BATCHES = (1, 3)

Outputs = Callable[[np.ndarray], np.ndarray]


def check_file(
    runtime: FileRuntime, network: nn.Module, sizes: tuple[tuple[int, int], ...]
) -> tuple[Check, ...]:
    """Compare a file with the published network.

    Args:
        runtime: The file, opened.
        network: Published network in evaluation mode, on the CPU.
        sizes: Sizes of the images.

    Returns:
        One check per kind of images, size and batch.

    Raises:
        ExportError: If one fails, and its message has the table; or if the runtime or the network
            does.
    """
    metadata = runtime.metadata
    reference = _reference(network, metadata)
    checks = []
    for size in sizes:
        for kind, images in _images(size, metadata):
            for batch in _BATCHES:
                x = images[:batch]
                expected = _output(reference, x, "the network itself cannot run")
                found = _output(runtime, x, "its runtime cannot run the file")
                checks.append(_check(kind, size, found, expected, metadata))
    if not all(check.passed for check in checks):
        raise ExportError(
            "the file computes something else than the network, and was removed:\n"
            f"{check_table(checks)}\n"
            f"A difference of {tolerance(metadata):g} of the largest output would pass. "
            "Please report it with the network's name and config, or choose another format"
        )
    return tuple(checks)


def _output(run: Outputs, batch: np.ndarray, failed: str) -> np.ndarray:
    try:
        return run(batch)
    except Exception as error:  # Runtimes raise errors of many kinds.
        height, width = batch.shape[1:3] if batch.dtype == np.uint8 else batch.shape[2:]
        reason = str(error).partition("\n")[0]
        raise ExportError(
            f"{failed} for images of {height}x{width}, and the file was removed: {reason}. Choose "
            "a size that it takes, such as size=256, or another format"
        ) from error


def tolerance(metadata: ExportMetadata) -> float:
    """Return the largest difference that passes, as a fraction of the largest output."""
    return TOLERANCES[metadata.input, metadata.precision][0]


def _reference(network: nn.Module, metadata: ExportMetadata) -> Outputs:
    module = network
    if metadata.input == "rgb":
        module = Preprocessed(network, metadata)

    def run(batch: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            output: torch.Tensor = module(torch.from_numpy(batch))
        array: np.ndarray = output.numpy()
        return array

    return run


def _images(size: tuple[int, int], metadata: ExportMetadata) -> Iterator[tuple[str, np.ndarray]]:
    """Random and drawn images, as the file takes them."""
    count = max(_BATCHES)
    height, width = size
    noise = np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)
    drawn = np.stack(
        [synthetic_lesion(seed, size=max(size))[0][:height, :width] for seed in range(count)]
    )
    for kind, images in (("random", noise), ("synthetic", drawn)):
        if metadata.input == "normalized":
            channels = images.transpose(0, 3, 1, 2)[:, : metadata.in_chans]
            # More channels than a photograph has are repeated ones.
            index = np.arange(metadata.in_chans) % channels.shape[1]
            normalization = _fitting(metadata)
            yield kind, np.ascontiguousarray(normalization(channels[:, index]))
        else:
            yield kind, images


def _fitting(metadata: ExportMetadata) -> Normalization:
    """The record's normalization, or the default for channels that it has no means of."""
    normalization = Normalization.from_dict(metadata.record.normalization)
    fits = normalization.mean is None or len(normalization.mean) == metadata.in_chans
    return normalization if fits else Normalization()


def _check(
    kind: str,
    size: tuple[int, int],
    found: np.ndarray,
    expected: np.ndarray,
    metadata: ExportMetadata,
) -> Check:
    masks = metadata.output == "mask"
    same_form = found.shape == expected.shape and found.dtype == expected.dtype
    difference = float(np.abs(found.astype(float) - expected).max()) if same_form else np.inf
    relative = difference / max(1.0, float(np.abs(expected.astype(float)).max()))
    iou, flipped = 0.0, found.size
    if same_form:
        one, other = (_mask(output, metadata) for output in (found, expected))
        iou, flipped = _iou(one, other), int(np.count_nonzero(one != other))
    # A mask has no outputs between: single pixels of it may flip.
    enough, enough_iou = TOLERANCES[metadata.input, metadata.precision]
    close = masks or relative <= enough
    # One pixel of a lesion of a dozen, as the smallest images have, is much of its IoU.
    alike = iou >= enough_iou or flipped <= len(expected)
    passed = bool(same_form and close and alike)
    return Check(
        images=kind,
        size=size,
        batch=len(expected),
        difference=difference,
        relative=relative,
        mask_iou=iou,
        passed=passed,
    )


def _mask(output: np.ndarray, metadata: ExportMetadata) -> np.ndarray:
    """Where there is lesion; of more than two classes, which class is the largest."""
    threshold = metadata.record.threshold
    if metadata.output == "mask":
        mask: np.ndarray = output > 0
    elif metadata.output == "probability":
        mask = output >= threshold
    elif metadata.num_classes > 2:
        mask = output == output.max(axis=1, keepdims=True)
    else:
        mask = lesion_logits(output) >= np.log(threshold / (1 - threshold))
    return mask


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    union = np.count_nonzero(a | b)
    return float(np.count_nonzero(a & b) / union) if union else 1.0
