"""One file a network family: its class, its registered variants, the names of its authors."""

from skinseg.models.base import SegmentationModel
from skinseg.models.basic_unet import BasicUNet
from skinseg.models.egeunet import EGEUNet
from skinseg.models.lmsaunet import LMSAUNet
from skinseg.models.malunet import MALUNet
from skinseg.models.unet import UNet

__all__ = ["BasicUNet", "EGEUNet", "LMSAUNet", "MALUNet", "SegmentationModel", "UNet"]
