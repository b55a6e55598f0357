"""One file a network family: its class, its registered variants, its authors' names of weights."""

from skinseg.models import ablations as ablations  # registers them
from skinseg.models.base import SegmentationModel
from skinseg.models.basic_unet import BasicUNet
from skinseg.models.egeunet import EGEUNet
from skinseg.models.lmsaunet import LMSAUNet
from skinseg.models.malunet import MALUNet
from skinseg.models.segnet import SegNet
from skinseg.models.transunet import TransUNet
from skinseg.models.ucmnet import UCMNet
from skinseg.models.unet import UNet

__all__ = [
    "BasicUNet",
    "EGEUNet",
    "LMSAUNet",
    "MALUNet",
    "SegNet",
    "SegmentationModel",
    "TransUNet",
    "UCMNet",
    "UNet",
]
