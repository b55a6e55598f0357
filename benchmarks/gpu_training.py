"""Train with the recipe `skinseg` for 300 epochs on a GPU, many networks at once.

    python benchmarks/gpu_training.py official-malunet-300-0 --data FOLDER --output RUNS

Each run is a process with a folder of its own in RUNS. Stopped, it goes on where it was when
started again. ``gpu_training_page.py`` scores the runs.
"""

import argparse
from pathlib import Path

import torch
from accuracy_runs import SEEDS, Run, images
from provenance import provenance

import skinseg
from skinseg.data import Augmentation
from skinseg.files import write_json
from skinseg.training import get_recipe, train

NETWORKS = ("malunet", "egeunet", "basic_unet", "lmsaunet")
EPOCHS = 300


def _runs() -> dict[str, Run]:
    runs = {}
    for network in NETWORKS:
        for seed in SEEDS:
            # The test images of paper73 choose nothing; the official split has images that may.
            last = get_recipe("skinseg", epochs=EPOCHS, keep="last", seed=seed)
            runs[f"paper73-{network}-300-{seed}"] = Run(network, "paper73", "300 epochs", last)
            # The zoom of the weights that ship, so that the epochs are what differs.
            best = get_recipe(
                "skinseg", epochs=EPOCHS, seed=seed, augmentation=Augmentation(zoom=(0.8, 1.6))
            )
            runs[f"official-{network}-300-{seed}"] = Run(network, "official", "300 epochs", best)
    return runs


RUNS = _runs()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", choices=RUNS)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with the ISIC 2017 folders"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args()
    run = RUNS[arguments.run]
    output = arguments.output / arguments.run
    if not (output / "provenance.json").is_file():
        output.mkdir(parents=True, exist_ok=True)
        write_json(output / "provenance.json", {"run": arguments.run, **provenance()})
    learned, held_out = images(run.split, arguments.data)
    torch.manual_seed(run.recipe.seed)
    train(
        skinseg.create_model(run.network),
        learned,
        held_out if run.recipe.keep != "last" else None,
        output,
        run.recipe,
        resume=True,
        device=arguments.device,
        progress=False,
    )


if __name__ == "__main__":
    main()
