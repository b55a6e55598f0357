"""What decides which mask an image gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skinseg.inference import Predictor


def prediction_settings(predictor: Predictor) -> dict[str, Any]:
    """Return all that masks depend on, but for rounding, as JSON data.

    Example:
        >>> import skinseg
        >>> settings = prediction_settings(skinseg.Predictor("egeunet", threshold=0.4))
        >>> settings["model"], settings["threshold"], settings["input_size"]
        ('egeunet.isic2017', 0.4, [128, 128])
    """
    name, digest = _weights(predictor)
    return {
        "model": name,
        "weights_sha256": digest,
        "threshold": float(predictor.threshold),
        "input_size": list(predictor.input_size),
        "normalization": predictor.normalization.to_dict(),
        "tta": predictor.tta,
        "tile": predictor.tile,
        "fill_holes": predictor.postprocessing.fill_holes,
        "largest_component": predictor.postprocessing.largest_component,
    }


def _weights(predictor: Predictor) -> tuple[str, str]:
    """Name and hash of the weights."""
    metadata = getattr(predictor.runtime, "metadata", None)
    if metadata is not None:
        return metadata.record.name, metadata.weights_sha256
    from skinseg.hub.save import record_of  # Brings torch, which exported files do without.
    from skinseg.unwrap import unwrapped

    # What was optimized has the network itself below this name.
    network = unwrapped(predictor.model)
    network = getattr(network, "published", network)
    record, digest = record_of(network)
    return record.name, digest
