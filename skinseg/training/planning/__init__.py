"""What to train with, chosen from the user's images, and two steps to see that it works."""

from skinseg.training.planning.plan import PLAN_NAME, TrainingPlan, plan_training
from skinseg.training.planning.rehearsal import Rehearsal, rehearse

__all__ = ["PLAN_NAME", "Rehearsal", "TrainingPlan", "plan_training", "rehearse"]
