"""Scores of networks with their intervals, and which differences are larger than chance."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.protocol.records import DISTANCES, OVERLAP, Record
from skinseg.metrics import bootstrap_weights, overlap_scores, percentile_interval

RESAMPLES = 1000
POOLED = ("iou", "dice")
MEAN = ("iou", "dice")
# The score that networks are ranked and compared by.
RANKED_BY = "pooled_iou"

# Scores (R,) of resamples that hold each image as often as weights (R, N) say.
Resampled = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True, eq=False)
class Runs:
    """The runs of one network with several seeds, scored on the same images.

    Attributes:
        network: Registered name.
        counts: Pixels (seeds, images, 4) as :func:`skinseg.metrics.count_pixels` orders them.
        distances: Scores of the outlines (seeds, images) by name.
        records: The runs' records, in the order of the seeds.
    """

    network: str
    counts: np.ndarray
    distances: dict[str, np.ndarray]
    records: list[Record]

    @classmethod
    def of(cls, records: Sequence[Record]) -> "Runs":
        """Gather the records of one network's runs."""
        columns = [record["cases"] for record in records]
        return cls(
            records[0]["network"],
            np.array([[case[name] for name in OVERLAP] for case in columns]).transpose(0, 2, 1),
            {name: np.array([case[name] for case in columns]) for name in DISTANCES},
            list(records),
        )

    def scores(self) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
        """Functions from weights (R, N) to scores (R, seeds), by name."""
        each = overlap_scores(self.counts)
        per_image = {**{name: each[name] for name in MEAN}, **self.distances}

        def pooled(name: str) -> Resampled:
            return lambda weights: overlap_scores(np.tensordot(weights, self.counts, (1, 1)))[name]

        def mean(name: str) -> Resampled:
            return lambda weights: weights @ per_image[name].T / weights.sum(1, keepdims=True)

        return {
            **{f"pooled_{name}": pooled(name) for name in POOLED},
            **{f"mean_{name}": mean(name) for name in per_image},
        }


def summary(runs: Runs) -> dict[str, dict[str, Any]]:
    """Each score: the mean of the seeds, its 95 % interval over images, and each seed's."""
    images = runs.counts.shape[1]
    weights = bootstrap_weights(images, RESAMPLES)
    result = {}
    for name, score in runs.scores().items():
        by_seed = score(np.ones((1, images)))[0]
        low, high = percentile_interval(score(weights).mean(1))
        result[name] = {
            "value": float(by_seed.mean()),
            "low": low,
            "high": high,
            "by_seed": by_seed.tolist(),
        }
    return result


def difference(one: Runs, other: Runs) -> dict[str, Any]:
    """By how much one network's score is above another's, with its interval over images.

    The resamples are the same for both, so that what makes an image hard for both cancels.
    """
    images = one.counts.shape[1]
    weights = bootstrap_weights(images, RESAMPLES)
    scores = (one.scores()[RANKED_BY], other.scores()[RANKED_BY])
    observed, resampled = (
        scores[0](w).mean(1) - scores[1](w).mean(1) for w in (np.ones((1, images)), weights)
    )
    low, high = percentile_interval(resampled)
    return {
        "one": one.network,
        "other": other.network,
        "seeds": [len(one.records), len(other.records)],
        "difference": float(observed[0]),
        "low": low,
        "high": high,
    }


def percent(score: Mapping[str, Any]) -> str:
    """A score and its interval in percent, as a cell of a table."""
    return f"{100 * score['value']:.2f} [{100 * score['low']:.1f}, {100 * score['high']:.1f}]"


def gain(found: Mapping[str, Any]) -> str:
    """A difference with its interval, in percentage points."""
    value, low, high = (100 * found[key] for key in ("difference", "low", "high"))
    return f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"


def verdict(found: Mapping[str, Any]) -> str:
    """Whether a difference is larger than chance, in words."""
    return "larger than chance" if found["low"] > 0 else "not larger than chance"


def front(points: dict[str, tuple[float, float]]) -> list[str]:
    """The networks that no other beats in both cost and score, cheapest first.

    Args:
        points: Cost and score by network.
    """
    best, chosen = -np.inf, []
    for name, (_, score) in sorted(points.items(), key=lambda item: (item[1][0], -item[1][1])):
        if score > best:
            best = score
            chosen.append(name)
    return chosen


def comparisons(networks: Sequence[Runs], fronts: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """The best network against every other, and neighbors on the fronts against each other."""
    by_name = {runs.network: runs for runs in networks}
    ranked = sorted(networks, key=lambda runs: -summary(runs)[RANKED_BY]["value"])
    pairs = [(ranked[0].network, runs.network) for runs in ranked[1:]]
    for names in fronts:
        pairs += [(better, worse) for worse, better in pairwise(names)]
    return [difference(by_name[one], by_name[other]) for one, other in dict.fromkeys(pairs)]


def hard_images(networks: Sequence[Runs], count: int = 10) -> list[dict[str, Any]]:
    """The images on which the best of all networks is worst."""
    ious = np.array([overlap_scores(runs.counts)["iou"].mean(0) for runs in networks])
    ids = networks[0].records[0]["cases"]["id"]
    best, median = ious.max(0), np.median(ious, axis=0)
    return [
        {"id": ids[index], "best_iou": float(best[index]), "median_iou": float(median[index])}
        for index in np.argsort(best, kind="stable")[:count]
    ]
