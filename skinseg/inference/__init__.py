"""From any image to a lesion mask at the image's own size."""

from skinseg.inference.device import best_device, usable_device
from skinseg.inference.pixels import ImageLike
from skinseg.inference.prediction import Prediction
from skinseg.inference.predictor import Predictor

__all__ = ["ImageLike", "Prediction", "Predictor", "best_device", "usable_device"]
