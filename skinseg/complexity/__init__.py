"""What a network costs: parameters, multiply-accumulates by named counters, memory, time.

Papers print "parameters" and "FLOPs" without saying how they were counted. Every figure here
carries the name of its counter.
"""

from skinseg.complexity.blocks import BlockCost
from skinseg.complexity.counters import COUNTERS, count_macs, thop_parameters
from skinseg.complexity.parameters import Parameters, count_parameters
from skinseg.complexity.report import Complexity, model_complexity

__all__ = [
    "COUNTERS",
    "BlockCost",
    "Complexity",
    "Parameters",
    "count_macs",
    "count_parameters",
    "model_complexity",
    "thop_parameters",
]
