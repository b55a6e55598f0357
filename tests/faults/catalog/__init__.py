"""All faults, by room of the package."""

from ..fault import Fault
from . import data, networks, planning, scores, serving, surface, training, weights

FAULTS: list[Fault] = [
    *training.FAULTS,
    *planning.FAULTS,
    *data.FAULTS,
    *networks.FAULTS,
    *weights.FAULTS,
    *scores.FAULTS,
    *surface.FAULTS,
    *serving.FAULTS,
]
