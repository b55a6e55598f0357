"""Lets timm and segmentation_models_pytorch be imported where torchvision's operators do not load.

Both import torchvision, whose wheel on PyPI is built for a CUDA build of torch: beside a CPU build
its library of operators cannot be loaded, and its Python files then fail at import, as they refer
to operators that nobody has declared. Declared without an implementation they import, and nothing
here calls them.
"""

import importlib.util
from pathlib import Path

import torch

_OPERATORS = (
    "nms",
    "qnms",
    "roi_align",
    "qroi_align",
    "_roi_align_backward",
    "roi_pool",
    "_roi_pool_backward",
    "ps_roi_align",
    "_ps_roi_align_backward",
    "ps_roi_pool",
    "_ps_roi_pool_backward",
    "deform_conv2d",
    "_deform_conv2d_backward",
)


# A declaration lasts as long as the object that made it.
_declared: list[torch.library.Library] = []


def declare_missing_operators() -> None:
    """Declare torchvision's operators where it is installed and its own library does not load."""
    package = importlib.util.find_spec("torchvision")
    if _declared or package is None or _loads(package.submodule_search_locations[0]):
        return
    library = torch.library.Library("torchvision", "DEF")
    for name in _OPERATORS:
        library.define(f"{name}(Tensor x) -> Tensor")
    _declared.append(library)


def _loads(folder: str) -> bool:
    for path in Path(folder).glob("_C*.*"):
        try:
            torch.ops.load_library(str(path))
        except OSError:
            continue
        return True
    return False
