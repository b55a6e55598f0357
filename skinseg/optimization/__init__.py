"""The fast form of a network, derived from the published one and verified against it."""

from skinseg.optimization.derive import derive
from skinseg.optimization.optimized import OptimizedModel, optimize

__all__ = ["OptimizedModel", "derive", "optimize"]
