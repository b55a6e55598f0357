"""Lesion images and masks: from files, from data sets, checked, or synthetic."""

from skinseg.data.datasets import PairDataset, Sample, SegmentationDataset, read_split
from skinseg.data.folder import FolderDataset
from skinseg.data.images import (
    ImageError,
    image_size,
    is_image_path,
    list_images,
    read_image,
    read_mask,
    write_png,
)
from skinseg.data.isic import ISIC2016, ISIC2017, ISIC2018
from skinseg.data.pairs import DatasetError, Pair
from skinseg.data.ph2 import PH2

__all__ = [
    "ISIC2016",
    "ISIC2017",
    "ISIC2018",
    "PH2",
    "DatasetError",
    "FolderDataset",
    "ImageError",
    "Pair",
    "PairDataset",
    "Sample",
    "SegmentationDataset",
    "image_size",
    "is_image_path",
    "list_images",
    "read_image",
    "read_mask",
    "read_split",
    "write_png",
]
