"""A network with a block in it: trained, saved, published, and run by a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import torch
from hub_networks import outputs
from hub_server import TOKEN, running_hub

import skinseg
from skinseg.data import SyntheticDermoscopy
from skinseg.training import Recipe, train

LOAD = """
import sys
import torch
{first}
import skinseg
from hub_networks import outputs
torch.set_num_threads(1)
network = skinseg.create_model(sys.argv[1])
torch.save(outputs(network), sys.argv[2])
print(len(skinseg.surgery.recipe_of(network)))
"""


def trained(network, folder):
    """Train two epochs, and return the folder's record."""
    images = SyntheticDermoscopy(6, size=64, seed=5)
    recipe = Recipe(size=64, batch_size=2, epochs=2)
    train(
        network,
        images.subset(images.ids[:4]),
        images.subset(images.ids[4:]),
        folder,
        recipe,
        progress=False,
    )
    return skinseg.hub.read_local_dir(folder)


def in_a_fresh_process(name, tmp_path, first="", **environment):
    """What a network loaded by its name gives there, and how many blocks were put into it."""
    result = tmp_path / "outputs.pt"
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    done = subprocess.run(
        [sys.executable, "-c", LOAD.format(first=first), name, str(result)],
        capture_output=True,
        text=True,
        timeout=300,
        env={
            **inherited,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
            **environment,
        },
    )
    assert done.returncode == 0, done.stderr
    return torch.load(result), int(done.stdout)


def assert_travels(network, tmp_path, monkeypatch, first=""):
    """The network's outputs, to the bit, from a folder and from the Hub."""
    expected = outputs(network)
    skinseg.hub.save_pretrained(network, tmp_path / "folder")
    found, blocks = in_a_fresh_process(f"local-dir:{tmp_path / 'folder'}", tmp_path, first)
    assert torch.equal(found, expected)
    assert blocks == len(skinseg.surgery.recipe_of(network)) > 0
    with running_hub() as hub:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        skinseg.push_to_hub(network, "org/net")
        environment = {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_TOKEN": TOKEN,
        }
        found, _ = in_a_fresh_process("hf-hub:org/net", tmp_path, first, **environment)
    assert torch.equal(found, expected)
    return (tmp_path / "folder" / "README.md").read_text()
