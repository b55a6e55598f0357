"""What each score means, in a sentence: the reports carry these, so that no name is ambiguous."""

from skinseg.evaluation.case import LESION_SIZES, TOLERANCE_OF_DIAGONAL
from skinseg.metrics import CALIBRATION_BINS, ISIC_THRESHOLD

DEFINITIONS: dict[str, str] = {
    "iou": "IoU (Jaccard index) of the lesion",
    "dice": "Dice (F1) of the lesion",
    "accuracy": "fraction of correct pixels",
    "sensitivity": "fraction of the lesion's pixels that were found",
    "specificity": "fraction of the skin's pixels that were left out",
    "class_averaged_iou": "mean of the IoU of lesion and of skin; LMSAUNet's mIoU",
    "frequency_weighted_iou": "IoU of lesion and of skin, weighted by their true fractions",
    "thresholded_jaccard": f"IoU of the image, 0 where it is below {ISIC_THRESHOLD}; ISIC's score",
    "hd95": "larger of the two directed 95th percentile distances between the outlines, pixels",
    "surface_dice": "fraction of both outlines that is within the tolerance of the other",
    "ece": f"gap between probability and lesion fraction, {CALIBRATION_BINS} bins of equal width",
    "brier": "mean squared difference of the lesion probability from the truth",
}
"""Each score by its name without ``mean_`` or ``pooled_``."""

LABELS: dict[str, str] = {
    "iou": "Lesion IoU",
    "dice": "Lesion Dice",
    "accuracy": "Accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "class_averaged_iou": "Class-averaged mIoU",
    "frequency_weighted_iou": "Frequency-weighted IoU",
    "thresholded_jaccard": "ISIC thresholded Jaccard",
    "hd95": "HD95 (pixels)",
    "surface_dice": "Surface Dice",
    "ece": "ECE",
    "brier": "Brier",
}
"""How tables call each score."""

RULES: tuple[str, ...] = (
    "pooled_: all pixels of all images together; mean_: each image's score, averaged.",
    "Both masks empty: overlap scores and surface Dice 1, HD95 0.",
    "One mask empty: IoU, Dice and surface Dice 0, HD95 the image's diagonal. Sensitivity is 1 "
    "where there is no lesion to find, specificity 1 where there is no skin.",
    f"Surface Dice allows {TOLERANCE_OF_DIAGONAL:.0%} of the image's diagonal, unless a tolerance "
    "in pixels is given.",
    "Size 'own': the image's own pixels. Size 'model': image and true mask at the network's input "
    "size, HD95 in those pixels.",
    f"Lesion sizes by fraction of the image: small below {LESION_SIZES['small']:.0%}, medium below "
    f"{LESION_SIZES['medium']:.0%}, large from there on.",
    "Intervals: 95 % bootstrap percentiles over images; pooled scores are pooled in each resample.",
)
"""What holds for all scores."""
