"""Synthetic dermoscopy: pictures of lesions that nobody has, with masks that are exact."""

from skinseg.data.synthetic.dataset import SyntheticDermoscopy
from skinseg.data.synthetic.scene import synthetic_lesion

__all__ = ["SyntheticDermoscopy", "synthetic_lesion"]
