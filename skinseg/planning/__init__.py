"""Plan a training run: what the user's images suggest, each choice with its reason."""

from skinseg.planning.plan import PLAN_NAME, TrainingPlan, plan_folds, plan_training
from skinseg.planning.rehearsal import Rehearsal, rehearse
from skinseg.planning.survey import check_for_training

__all__ = [
    "PLAN_NAME",
    "Rehearsal",
    "TrainingPlan",
    "check_for_training",
    "plan_folds",
    "plan_training",
    "rehearse",
]
