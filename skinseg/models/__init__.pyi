from .base import SegmentationModel as SegmentationModel
from .basic_unet import BasicUNet as BasicUNet
from .cmunext import CMUNeXt as CMUNeXt
from .egeunet import EGEUNet as EGEUNet
from .lbunet import LBUNet as LBUNet
from .lmsaunet import LMSAUNet as LMSAUNet
from .malunet import MALUNet as MALUNet
from .mkunet import MKUNet as MKUNet
from .segnet import SegNet as SegNet
from .tinyunet import TinyUNet as TinyUNet
from .transunet import TransUNet as TransUNet
from .ucmnet import UCMNet as UCMNet
from .ultralight_vm_unet import UltraLightVMUNet as UltraLightVMUNet
from .unet import UNet as UNet
from .unext import UNeXt as UNeXt

CATALOG: dict[str, dict[str, int | str]]
