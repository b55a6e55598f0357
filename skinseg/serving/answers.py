"""Predictions as the bodies of answers."""

from collections.abc import Sequence
from pathlib import Path

from skinseg.data.mask_png import mask_png
from skinseg.inference.prediction import Prediction
from skinseg.inference.predictor import Predictor
from skinseg.serving.schema import NOTICE, Answer, ImageAnswer, ServedModel
from skinseg.version import __version__

JSON = "application/json"
PNG = "image/png"
OFFERED = (JSON, PNG)
"""Media types of answers; the first one is what a client gets that takes anything."""


def served_model(predictor: Predictor) -> ServedModel:
    """Return what clients may know of a predictor; no folder of this machine is in it."""
    return ServedModel(
        name=Path(predictor.name).name,
        input_size=list(predictor.input_size),
        threshold=predictor.threshold,
        version=__version__,
    )


def body(kind: str, model: ServedModel, predictions: Sequence[Prediction]) -> bytes:
    """Return the body of an answer.

    Args:
        kind: :data:`JSON`, or :data:`PNG` for the mask of one image, 255 where it is lesion.
        model: What segmented the images.
        predictions: In the order of the request.

    Example:
        >>> import numpy as np
        >>> mask = np.eye(8, dtype=bool)
        >>> model = ServedModel(name="malunet", input_size=[8, 8], threshold=0.5, version="0")
        >>> text = body(JSON, model, [Prediction(mask.astype(np.float32), mask)])
        >>> Answer.model_validate_json(text).images[0].area
        8
    """
    if kind == PNG:
        [prediction] = predictions
        return mask_png(prediction.run_lengths)
    images = [
        ImageAnswer(area=prediction.run_lengths.area, **prediction.to_dict())
        for prediction in predictions
    ]
    answer = Answer(notice=NOTICE, model=model, images=images)
    return answer.model_dump_json().encode()
