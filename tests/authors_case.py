"""Reference outputs of public networks whose weights are computed from their names."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import torch

import skinseg


def load_case(
    shared_dir: Path, tmp_path: Path, case: str, name: str, **arguments
) -> tuple[skinseg.models.SegmentationModel, torch.Tensor, dict[str, torch.Tensor]]:
    """Load a case of ``parity``, such as ``"peers/ucmnet"``, into a network of ours.

    Returns:
        The network ``name`` in evaluation mode with the case's weights, which it read from a
        file with the authors' names; the input; the authors' outputs by their names.
    """
    folder = shared_dir / "parity"
    spec = importlib.util.spec_from_file_location("parity_fill", folder / "fill.py")
    parity = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(parity)
    description = json.loads((folder / f"{case}.json").read_text())
    state = {
        key: torch.from_numpy(np.asarray(parity.fill(key, tuple(shape))))
        for key, shape in description["keys"]
    }
    checkpoint = tmp_path / "authors.pth"
    torch.save(state, checkpoint)
    network = skinseg.create_model(name, checkpoint_path=checkpoint, **arguments).eval()
    assert sum(p.numel() for p in network.parameters()) == description["parameters"]
    x = torch.from_numpy(parity.make_input(tuple(description["input_shape"])))
    outputs = np.load(folder / f"{case}.npz")
    return network, x, {key: torch.from_numpy(outputs[key]) for key in outputs}
