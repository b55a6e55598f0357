"""All mutants, by room of the package."""

from ..mutant import Mutant
from . import data, networks, planning, scores, serving, surface, training, weights

MUTANTS: list[Mutant] = [
    *training.MUTANTS,
    *planning.MUTANTS,
    *data.MUTANTS,
    *networks.MUTANTS,
    *weights.MUTANTS,
    *scores.MUTANTS,
    *surface.MUTANTS,
    *serving.MUTANTS,
]
