"""Lesion images and masks: from files, from data sets, checked, transformed, or synthetic."""

from skinseg.data.any_label import AnyLabel
from skinseg.data.augmentation import Augmentation
from skinseg.data.checks import BrokenDatasetError, DatasetReport, Finding, check_dataset
from skinseg.data.datasets import PairDataset, Sample, SegmentationDataset, read_split
from skinseg.data.decoding import ImageError
from skinseg.data.folder import FolderDataset
from skinseg.data.images import (
    image_size,
    is_image_path,
    list_images,
    read_image,
    read_mask,
    write_png,
)
from skinseg.data.isic import ISIC2016, ISIC2017, ISIC2018
from skinseg.data.normalization import Normalization
from skinseg.data.pairs import DatasetError, Pair
from skinseg.data.ph2 import PH2
from skinseg.data.sources import DatasetSource, open_dataset
from skinseg.data.synthetic import SyntheticDermoscopy, synthetic_lesion

__all__ = [
    "AnyLabel",
    "Augmentation",
    "ISIC2016",
    "ISIC2017",
    "ISIC2018",
    "PH2",
    "BrokenDatasetError",
    "DatasetError",
    "DatasetReport",
    "DatasetSource",
    "Finding",
    "FolderDataset",
    "ImageError",
    "Normalization",
    "Pair",
    "PairDataset",
    "Sample",
    "SegmentationDataset",
    "SyntheticDermoscopy",
    "check_dataset",
    "image_size",
    "is_image_path",
    "list_images",
    "open_dataset",
    "read_image",
    "read_mask",
    "read_split",
    "synthetic_lesion",
    "write_png",
]
