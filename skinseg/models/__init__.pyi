from .base import SegmentationModel as SegmentationModel
from .basic_unet import BasicUNet as BasicUNet
from .egeunet import EGEUNet as EGEUNet
from .lmsaunet import LMSAUNet as LMSAUNet
from .malunet import MALUNet as MALUNet
from .mobilenetv3 import MobileNetV3 as MobileNetV3
from .mobilevitv2 import MobileViTv2 as MobileViTv2
from .segnet import SegNet as SegNet
from .transunet import TransUNet as TransUNet
from .ucmnet import UCMNet as UCMNet
from .unet import UNet as UNet
from .unext import UNeXt as UNeXt
from .utnetv2 import UTNetV2 as UTNetV2

CATALOG: dict[str, dict[str, int | str]]
