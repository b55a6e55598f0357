"""Lightweight skin-lesion segmentation networks for PyTorch. For research, not for diagnosis."""

from skinseg import data as data
from skinseg import models as models  # registers the networks
from skinseg import surgery as surgery
from skinseg.blocks import create_block, list_blocks
from skinseg.checkpoint import CheckpointError, load_checkpoint
from skinseg.convert import convert_checkpoint
from skinseg.factory import create_model
from skinseg.hub import HubError, push_to_hub
from skinseg.inference import Prediction, Predictor
from skinseg.pretrained import PretrainedCfg, get_pretrained_cfg, list_models, list_pretrained
from skinseg.registry import is_model, model_entrypoint, register_model

__version__ = "0.1.0"

__all__ = [
    "CheckpointError",
    "HubError",
    "Prediction",
    "Predictor",
    "PretrainedCfg",
    "convert_checkpoint",
    "create_block",
    "create_model",
    "get_pretrained_cfg",
    "is_model",
    "list_blocks",
    "list_models",
    "list_pretrained",
    "load_checkpoint",
    "model_entrypoint",
    "push_to_hub",
    "register_model",
]
