"""What the protocol trains, and in which order; it follows from what is done already."""

import dataclasses
import math
from collections.abc import Collection, Iterator, Mapping
from typing import Protocol

from benchmarks.weights.runs import MANY_SIZES, Run
from skinseg.models import CATALOG
from skinseg.training import get_recipe

RECIPE = get_recipe("skinseg", keep="last")
# Of weights that ship the validation images may choose the epoch.
SHIPPED = get_recipe("skinseg", augmentation=MANY_SIZES)
TABLE, OFFICIAL = "paper73", "official"
SPLITS = (TABLE, OFFICIAL)
SEEDS = (0, 1, 2)
# Parameters. Larger networks are trained with the first seed alone, and do not ship.
LIGHT_BELOW = 2_000_000
# The two in the middle are tried first, and then the one beyond the better of them.
RATES = (3e-4, 1e-3, 3e-3, 1e-2)
TRIAL_EPOCHS = 10
# Modules whose networks are one skeleton are one family; any other module is a family of its own.
SIX_STAGE, DOUBLE_CONV = "six_stage", "unet"
FAMILY_OF_MODULE = {
    **dict.fromkeys(("basic_unet", "malunet", "egeunet"), SIX_STAGE),
    **dict.fromkeys(("unet", "unet_1024", "attention_unet", "unetpp"), DOUBLE_CONV),
}
# The recipe's own was chosen with MALUNet on the same held-out images: docs/results/trial_runs.md.
SETTLED = {SIX_STAGE: RECIPE.learning_rate}
# Rates of a family that one of its larger networks did not stand: the loss rose again within the
# first third of the run and no longer fell (mkunet_collapsed.csv). Such a network has the next best
# one.
COLLAPSED = {"mkunet": 1e-2}


@dataclasses.dataclass(frozen=True)
class Job:
    """One training: of a network with a seed, or a short one to choose the learning rate.

    Attributes:
        network: Registered name.
        rate: Highest learning rate.
        seed: Random seed; None for a trial of the rate.
        split: ``"paper73"`` for the table of all networks, ``"official"`` for weights that ship.
    """

    network: str
    rate: float
    seed: int | None = None
    split: str = TABLE

    @property
    def name(self) -> str:
        """Name of the run's folder and of its record."""
        if self.seed is None:
            return f"rate-{self.network}-{self.rate:g}"
        kind = "protocol" if self.split == TABLE else "shipped"
        return f"{kind}-{self.network}-{self.seed}"

    @property
    def run(self) -> Run:
        """The training's split and recipe."""
        changes = {"learning_rate": self.rate}
        if self.seed is None:
            short = dataclasses.replace(RECIPE, epochs=TRIAL_EPOCHS, **changes)
            return Run(self.network, "paper73_part", "rate", short)
        recipe, kind = (RECIPE, "protocol") if self.split == TABLE else (SHIPPED, "shipped")
        recipe = dataclasses.replace(recipe, seed=self.seed, **changes)
        return Run(self.network, self.split, kind, recipe)


class Progress(Protocol):
    """What is done already."""

    def trial_score(self, job: Job) -> float | None:
        """Score of a finished trial on the images held out for it."""

    def is_done(self, job: Job) -> bool:
        """Whether a training is finished and scored."""


def networks() -> list[str]:
    """All networks but the rows of the ablation tables, cheapest first."""
    names = [name for name, entry in CATALOG.items() if entry["module"] != "ablations"]
    return sorted(names, key=lambda name: (_count(name, "macs"), name))


def parameters(network: str) -> int:
    """Number of a network's parameters."""
    return _count(network, "parameters")


def macs(network: str) -> int:
    """Multiply-accumulates of a network for one image of 3x256x256, as torch counts them."""
    return _count(network, "macs")


def _count(network: str, key: str) -> int:
    return int(CATALOG[network][key])


def family(network: str) -> str:
    """The networks that share a learning rate."""
    module = str(CATALOG[network]["module"])
    return FAMILY_OF_MODULE.get(module, module)


def order(split: str = TABLE) -> list[tuple[str, int]]:
    """Networks with seeds: the first seed of all networks, then the second of the light ones.

    Of the weights that ship: the first seed of the light ones.
    """
    if split == OFFICIAL:
        return [(network, SEEDS[0]) for network in networks() if is_light(network)]
    return [
        (network, seed)
        for seed in SEEDS
        for network in networks()
        if seed == SEEDS[0] or is_light(network)
    ]


def is_light(network: str) -> bool:
    """Whether a network is small enough to be trained with several seeds, and to ship."""
    return parameters(network) < LIGHT_BELOW


def trials(member: str, progress: Progress) -> dict[float, float]:
    """The scores of a family's finished trials by rate, which its cheapest network stands for."""
    cheapest = representative(member)
    scores = {rate: progress.trial_score(Job(cheapest, rate)) for rate in RATES}
    return {rate: score for rate, score in scores.items() if score is not None}


def representative(member: str) -> str:
    """The cheapest network of a network's family."""
    return next(name for name in networks() if family(name) == family(member))


def missing_rates(scores: Mapping[float, float]) -> list[float]:
    """The rates to try now, none if enough were tried."""
    lowest, low, high, highest = RATES
    if missing := [rate for rate in (low, high) if rate not in scores]:
        return missing
    beyond = lowest if scores[low] >= scores[high] else highest
    return [] if beyond in scores else [beyond]


def chosen_rate(network: str, progress: Progress) -> float | None:
    """The learning rate of a network's family, or None while trials are missing."""
    if family(network) in SETTLED:
        return SETTLED[family(network)]
    scores = trials(network, progress)
    if missing_rates(scores):
        return None
    scores.pop(COLLAPSED.get(network, math.nan), None)
    return max(scores, key=lambda rate: (scores[rate], -rate))


def unfinished(
    progress: Progress, wanted: Collection[str], split: str = TABLE, seeds: Collection[int] = SEEDS
) -> Iterator[tuple[str, int]]:
    """Networks with seeds that are not trained yet, most useful first; see `pending`."""
    for network, seed in order(split):
        if network in wanted and seed in seeds:
            rate = chosen_rate(network, progress)
            if rate is None or not progress.is_done(Job(network, rate, seed, split)):
                yield network, seed


def pending(
    progress: Progress,
    wanted: Collection[str],
    failed: Collection[str] = (),
    split: str = TABLE,
    seeds: Collection[int] = SEEDS,
) -> Iterator[Job]:
    """What could be trained now, most useful first.

    Args:
        progress: What is done already.
        wanted: Networks to train.
        failed: Names of jobs that are not to be tried again.
        split: Which images to train on.
        seeds: Seeds to train with.

    Yields:
        Jobs. After any of them is done, what follows may be other jobs: ask again.
    """
    for network, seed in order(split):
        if network not in wanted or seed not in seeds:
            continue
        rate = chosen_rate(network, progress)
        if rate is None:
            rates = missing_rates(trials(network, progress))
            jobs = [Job(representative(network), rate) for rate in rates]
        else:
            job = Job(network, rate, seed, split)
            jobs = [] if progress.is_done(job) else [job]
        yield from (job for job in jobs if job.name not in failed)
