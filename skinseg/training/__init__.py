"""The reference trainer: plan, recipes, loop, the folder of a run, and its report."""

from skinseg.training.memory_dataset import MemoryDataset
from skinseg.training.planning import TrainingPlan, plan_training
from skinseg.training.recipe import Recipe
from skinseg.training.recipes import get_recipe, list_recipes
from skinseg.training.report import write_report
from skinseg.training.trainer import train
from skinseg.training.validate import validate

__all__ = [
    "MemoryDataset",
    "Recipe",
    "TrainingPlan",
    "get_recipe",
    "list_recipes",
    "plan_training",
    "train",
    "validate",
    "write_report",
]
