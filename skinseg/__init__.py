"""Lightweight skin-lesion segmentation networks for PyTorch. For research, not for diagnosis."""

import lazy_loader

from skinseg import models as models  # declares the networks' names
from skinseg.version import __version__ as __version__

# The names are in __init__.pyi and are loaded when they are first used: neither `import skinseg`
# nor the help of the command line waits for torch.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
