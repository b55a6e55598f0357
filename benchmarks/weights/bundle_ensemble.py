r"""Make the mean of several bundled networks a part of the package: one file, and its record.

python benchmarks/weights/bundle_ensemble.py ensemble.isic2017 egeunet.isic2017 lbunet.isic2017 \
        basic_unet.isic2017 --data FOLDER
"""

import argparse
import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.provenance import provenance
from benchmarks.weights.bundle_weights import add_to_package, write_in_half_precision
from benchmarks.weights.validation_scores import measure
from skinseg import create_model, get_pretrained_cfg, hub
from skinseg.names import split_name
from skinseg.pretrained import PretrainedCfg
from skinseg.training import save_ensemble


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="ensemble.tag")
    parser.add_argument("members", nargs="+", help="arch.tag of bundled weights")
    parser.add_argument("--data", required=True, help="folder with the ISIC 2017 folders")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        stored = store(arguments.members, Path(place))
        record = described(stored, arguments.name, arguments.members, arguments.data)
        add_to_package(record, str(stored / hub.WEIGHTS_NAME))


def store(members: Sequence[str], place: Path) -> Path:
    """Write the ensemble in half precision, and return its folder."""
    for name in members:
        create_model(name, pretrained=True).save_pretrained(place / name)
    save_ensemble([place / name for name in members], place / "whole")
    (place / "half").mkdir()
    write_in_half_precision(place / "whole", place / "half")
    return place / "half"


def described(stored: Path, name: str, members: Sequence[str], data: str) -> PretrainedCfg:
    """The record: what the members share, who they are, and what their mean scores."""
    first = get_pretrained_cfg(members[0])
    assert first is not None, members[0]
    here = provenance()
    return dataclasses.replace(
        hub.read_local_dir(stored),
        tag=split_name(name)[1],
        training_data={**first.training_data, "members": ", ".join(members)},
        recipe={"members": list(members), **here},
        commit=here["commit"],
        metrics=measure(f"local-dir:{stored}", data),
        license=first.license,
        limitations=first.limitations,
    )


if __name__ == "__main__":
    main()
