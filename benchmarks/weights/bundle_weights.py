r"""Make a training run a part of the package: the weights it has kept, and a record beside them.

python benchmarks/weights/bundle_weights.py RUNS/official-basic_unet basic_unet.isic2017 \
        --data FOLDER
"""

import argparse
import dataclasses
import json
import shutil
import tempfile
from pathlib import Path

from safetensors.torch import load_file

from benchmarks.weights.runs import epochs_done, hours
from benchmarks.weights.validation_scores import measure
from skinseg import hub
from skinseg.files import write_atomically, write_json
from skinseg.names import split_name
from skinseg.pretrained import BUNDLED, PretrainedCfg

TRAINING_DATA = {
    "name": "ISIC 2017 challenge, task 1: lesion segmentation",
    "split": "official training split, without ISIC_0012970, a picture that the official "
    "validation split has, too (ISIC_0012127); that split chose the run and its epoch",
    "images": 1999,
    "preparation": "whole frames squeezed to 256x256, and from there to the input size",
    "license": "CC0-1.0",
    "citation": "Codella et al., Skin lesion analysis toward melanoma detection, ISBI 2017 "
    "challenge, arXiv 1710.05006",
}
LIMITATIONS = (
    "For research; not a medical device, and no statement about disease. Trained on dermoscopy of "
    "mostly fair skin from a few clinics: expect worse masks on dark skin, on photographs without "
    "a dermatoscope, and on other cameras. Its worst validation images show small or faint "
    "lesions, and lesions beside cloth, fingers or a frame of ink, where it outlines the "
    "surroundings or nothing; of lesions of several parts it may miss some. It always looks for a "
    "lesion; it was never shown healthy skin alone. The recorded scores are of the split that "
    "chose run and epoch, and therefore a little too good."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of the training run")
    parser.add_argument("name", help="arch.tag")
    parser.add_argument("--data", required=True, help="folder with the ISIC 2017 folders")
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--half", action="store_true", help="store half-precision weights")
    parser.add_argument("--note", default="", help="a sentence more on the limits of these weights")
    arguments = parser.parse_args()
    arch, _ = split_name(arguments.name)
    architecture = hub.read_local_dir(arguments.run).architecture
    if architecture != arch:
        parser.error(f"{arguments.run} holds {architecture}, not {arch}")
    if not (arguments.run / "provenance.json").is_file():
        # The record names the commit and the machine, which `skinseg train` does not write down.
        parser.error(f"{arguments.run} has no provenance.json; train it with train_run.py")
    with tempfile.TemporaryDirectory() as name:
        stored = Path(name) if arguments.half else arguments.run
        if arguments.half:
            write_in_half_precision(arguments.run, stored)
        bundle(stored, arguments)


def write_in_half_precision(run: Path, folder: Path) -> None:
    """Write a run's weights and record into a folder, in a file of about half the size."""
    trained = hub.read_local_dir(run)
    assert trained.file is not None
    weights = load_file(trained.file)
    # Variances of BatchNorm go beyond the largest number of half precision.
    halved = {key: value.half() if value.ndim > 1 else value for key, value in weights.items()}
    hub.write_local_dir(folder, trained, halved)


def bundle(stored: Path, arguments: argparse.Namespace) -> None:
    """Score stored weights, and put them into the package with their record."""
    trained = hub.read_local_dir(stored)
    assert trained.file is not None
    origin = json.loads((arguments.run / "provenance.json").read_text())
    trainings = [arguments.run]
    if "initial" in origin:
        trainings.append(arguments.run.parent / origin["initial"]["run"])
    recipe = {**trained.recipe, "hours": round(sum(map(hours, trainings)), 2), **origin}
    if (epochs := epochs_done(arguments.run)) < trained.recipe["epochs"]:
        recipe["epochs_run"] = epochs
    record = dataclasses.replace(
        trained,
        tag=split_name(arguments.name)[1],
        training_data=TRAINING_DATA,
        recipe=recipe,
        commit=origin["commit"],
        threshold=arguments.threshold,
        metrics=measure(f"local-dir:{stored}", arguments.data, arguments.threshold),
        license="Apache-2.0",
        limitations=f"{LIMITATIONS} {arguments.note}".strip(),
    )
    add_to_package(record, trained.file)


def add_to_package(record: PretrainedCfg, weights: str) -> None:
    """Copy a file of weights into the package under its record's name, and write the record."""
    target = BUNDLED / f"{record.name}.safetensors"
    write_atomically(target, lambda temporary: shutil.copyfile(weights, temporary))
    write_json(target.with_suffix(".json"), record.to_dict())


if __name__ == "__main__":
    main()
