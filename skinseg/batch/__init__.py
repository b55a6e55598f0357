"""Many images: found, segmented, and noted so that nothing is done twice.

One process does it with :func:`segment`, the nodes of a Ray cluster with :func:`segment_on_ray`.
The names are in ``__init__.pyi`` and are loaded when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
