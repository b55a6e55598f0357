"""From any image to a lesion mask at the image's own size.

The names are in ``__init__.pyi`` and are loaded when they are first used: only what runs a network
of torch needs torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
