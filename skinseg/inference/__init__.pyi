from .device import best_device as best_device
from .device import usable_device as usable_device
from .pixels import ImageLike as ImageLike
from .postprocessing import Postprocessing as Postprocessing
from .prediction import Prediction as Prediction
from .predictor import Predictor as Predictor
from .preprocessing import Preprocessing as Preprocessing
from .preprocessing import create_transform as create_transform
