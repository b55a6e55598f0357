"""Networks scored on images with masks: per image, pooled, with intervals, and in pictures."""

from skinseg.evaluation.case import LESION_SIZES, Case, score_case
from skinseg.evaluation.definitions import DEFINITIONS, RULES
from skinseg.evaluation.evaluator import SIZES, evaluate
from skinseg.evaluation.gallery import Picture
from skinseg.evaluation.report import EvaluationReport
from skinseg.evaluation.source import open_dataset
from skinseg.evaluation.summary import Score, Summary, by_lesion_size, summarise

__all__ = [
    "DEFINITIONS",
    "LESION_SIZES",
    "RULES",
    "SIZES",
    "Case",
    "EvaluationReport",
    "Picture",
    "Score",
    "Summary",
    "by_lesion_size",
    "evaluate",
    "open_dataset",
    "score_case",
    "summarise",
]
