"""Lesion images and masks: from files, from data sets, checked, transformed, or synthetic.

The names are in ``__init__.pyi`` and are loaded when they are first used: reading an image needs no
torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
