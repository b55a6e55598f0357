"""The reference trainer: recipes, the loop, and the folder of a run."""

from skinseg.training.callbacks import (
    LOGGERS,
    Callback,
    TensorBoardLogger,
    WandbLogger,
    get_logger,
)
from skinseg.training.ensemble import save_ensemble
from skinseg.training.epoch_choice import decided_by_validation, kept_epoch
from skinseg.training.memory_dataset import MemoryDataset
from skinseg.training.muon import Muon, MuonWithAdamW
from skinseg.training.recipe import Recipe
from skinseg.training.recipes import get_recipe, list_recipes
from skinseg.training.trainer import train
from skinseg.training.validate import validate

__all__ = [
    "LOGGERS",
    "Callback",
    "MemoryDataset",
    "Muon",
    "MuonWithAdamW",
    "Recipe",
    "TensorBoardLogger",
    "WandbLogger",
    "decided_by_validation",
    "get_logger",
    "get_recipe",
    "kept_epoch",
    "list_recipes",
    "save_ensemble",
    "train",
    "validate",
]
