"""Plan a training run: what the user's images suggest, each choice with its reason."""

from skinseg.planning.plan import PLAN_NAME, TrainingPlan, plan_training
from skinseg.planning.rehearsal import Rehearsal, rehearse

__all__ = ["PLAN_NAME", "Rehearsal", "TrainingPlan", "plan_training", "rehearse"]
