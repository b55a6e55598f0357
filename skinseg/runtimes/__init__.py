"""What runs a network: arrays in, logits out."""

from skinseg.runtimes.base import Runtime

__all__ = ["Runtime"]
