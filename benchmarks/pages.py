"""Write the pages of docs/results again from the recorded figures; nothing is measured.

    python benchmarks/pages.py

The accuracy page has a script of its own, docs/accuracy_page.py; ``make results`` runs both.
"""

import json
from collections.abc import Callable
from typing import Any

from benchmarks.accuracy import ensembles
from benchmarks.blocks import blocks_in_hosts, surgery_matrix
from benchmarks.costs import ecdf_hosts, paper_tables, peer_readings
from benchmarks.distributed import distributed
from benchmarks.first_hour import first_hour
from benchmarks.protocol import networks, networks_plot
from benchmarks.recipes import recipe_trials, trial_scores
from benchmarks.results import FOLDER
from benchmarks.robustness import robustness, robustness_plot
from benchmarks.serving import load
from benchmarks.speed import (
    agreement,
    captured_step,
    export_matrix,
    gpu_latency,
    gpu_layout,
    latency_page,
    latency_plot,
    photograph,
    training_speed,
)
from benchmarks.weights import collect_runs
from skinseg.files import write_text

PAGES: dict[str, Callable[[Any], str]] = {
    "agreement.md": agreement.page,
    "blocks_in_hosts.md": blocks_in_hosts.page,
    "captured_step.md": captured_step.page,
    "ensembles.md": ensembles.page,
    "export_matrix.md": export_matrix.page,
    "distributed.md": distributed.page,
    "ecdf_hosts.md": ecdf_hosts.page,
    "first_hour.md": first_hour.page,
    "gpu_latency.md": gpu_latency.page,
    "gpu_layout.md": gpu_layout.page,
    "latency.md": latency_page.page,
    "latency.svg": latency_plot.plot,
    "networks.md": networks.page,
    "networks.svg": networks_plot.plot,
    "paper_tables.md": paper_tables.page,
    "peer_readings.md": peer_readings.page,
    "photograph.md": photograph.page,
    "recipe_trials.md": recipe_trials.page,
    "surgery_matrix.md": surgery_matrix.page,
    "robustness.md": robustness.page,
    "robustness.svg": robustness_plot.plot,
    "serving.md": load.page,
    "training_runs.md": collect_runs.page,
    "training_speed.md": training_speed.page,
    "trial_runs.md": trial_scores.page,
}


def render(name: str) -> str:
    """Return a page of ``PAGES`` as the JSON of its name gives it."""
    data = json.loads((FOLDER / name).with_suffix(".json").read_text(encoding="utf-8"))
    return PAGES[name](data)


def main() -> None:
    for name in PAGES:
        write_text(FOLDER / name, render(name))


if __name__ == "__main__":
    main()
