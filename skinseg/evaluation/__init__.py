"""Networks scored on images with masks: per image, pooled, and with intervals."""

from skinseg.evaluation.case import LESION_SIZES, Case, score_case
from skinseg.evaluation.definitions import DEFINITIONS, RULES
from skinseg.evaluation.evaluator import SIZES, evaluate
from skinseg.evaluation.result import EvaluationResult
from skinseg.evaluation.summary import Score, Summary, by_lesion_size, summarize

__all__ = [
    "DEFINITIONS",
    "LESION_SIZES",
    "RULES",
    "SIZES",
    "Case",
    "EvaluationResult",
    "Score",
    "Summary",
    "by_lesion_size",
    "evaluate",
    "score_case",
    "summarize",
]
