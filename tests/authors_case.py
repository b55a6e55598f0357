"""Reference outputs of public implementations whose weights are computed from their names."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

import skinseg
from skinseg.models import SegmentationModel


def load_case(
    shared_dir: Path, tmp_path: Path, case: str, name: str, **arguments: Any
) -> tuple[SegmentationModel, torch.Tensor, dict[str, torch.Tensor]]:
    """Load the authors' weights into a network.

    Args:
        shared_dir: Reference data.
        tmp_path: Where the checkpoint is written.
        case: Name of the case's files.
        name: Network.
        **arguments: Arguments of the network.

    Returns:
        The network in evaluation mode, the case's input, and the authors' outputs by name.
    """
    folder = case_file(shared_dir, case).parent
    parity = _fill_module(shared_dir)
    facts = read_case(shared_dir, case)
    state = {
        key: torch.from_numpy(np.asarray(parity.fill(key, tuple(shape))))
        for key, shape in facts["keys"]
    }
    checkpoint = tmp_path / "authors.pth"
    torch.save(state, checkpoint)
    network = skinseg.create_model(name, checkpoint_path=checkpoint, **arguments).eval()
    assert sum(p.numel() for p in network.parameters()) == facts["parameters"]
    x = torch.from_numpy(parity.make_input(tuple(facts["input_shape"])))
    with np.load(folder / f"{case}.npz") as arrays:
        return network, x, {key: torch.from_numpy(arrays[key]) for key in arrays}


def read_case(shared_dir: Path, case: str) -> dict[str, Any]:
    """Return what a case says: its keys with shapes, its input's shape, its parameters."""
    return json.loads(case_file(shared_dir, case).read_text())


def case_file(shared_dir: Path, case: str) -> Path:
    """Return the case's JSON file, wherever it is among the reference data."""
    (file,) = (shared_dir / "parity").rglob(f"{case}.json")
    return file


def assert_names_fit(shared_dir: Path, case: str, name: str, **arguments: Any) -> None:
    """Every weight of the authors has a place of its shape in the network, and none is left."""
    facts = read_case(shared_dir, case)
    with torch.device("meta"):
        network = skinseg.create_model(name, **arguments)
        authors = {key: torch.empty(shape) for key, shape in facts["keys"]}
    ours = network.convert_authors_weights(authors)
    assert {key: value.shape for key, value in ours.items()} == {
        key: value.shape for key, value in network.state_dict().items()
    }


def assert_same(output: torch.Tensor, expected: torch.Tensor) -> None:
    """The largest difference is at most 1e-4 of the largest output."""
    torch.testing.assert_close(output, expected, atol=1e-4 * float(expected.abs().max()), rtol=0)


def _fill_module(shared_dir: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("parity_fill", shared_dir / "parity" / "fill.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
