"""Checkpoints of the authors' code: recognized, converted, and refused where they must be."""

import json
import pickle

import numpy as np
import pytest
import torch
from command import run
from safetensors.torch import load_file

import skinseg
from skinseg.pretrained import file_hash

# Reference file, the name that its network must be given, and the authors' preparation.
MINMAX = {"kind": "minmax", "scale": 255.0}
IMAGENET = {"kind": "mean_std", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
REFERENCES = [
    ("malunet", "malunet", 256, MINMAX),
    ("egeunet", "egeunet", 256, MINMAX),
    ("lmsaunet_n8", "lmsaunet_n8", 224, IMAGENET),
    ("lmsaunet_n32", "lmsaunet", 224, IMAGENET),
]


@pytest.fixture
def checkpoint(tmp_path):
    """Write something as a ``.pth`` file and return its path."""

    def write(content, name="best.pth"):
        torch.save(content, tmp_path / name)
        return tmp_path / name

    return write


@pytest.fixture(params=REFERENCES, ids=lambda reference: reference[0])
def reference(request, shared_dir):
    file, *expected = request.param
    tensors = load_file(shared_dir / "parity" / f"{file}.safetensors")
    weights = {
        key.removeprefix("weights."): value
        for key, value in tensors.items()
        if key.startswith("weights.")
    }
    return tensors, weights, expected


@torch.no_grad()
def test_the_authors_checkpoints(reference, checkpoint, tmp_path):
    tensors, weights, (name, size, normalization) = reference
    # As their training scripts leave it: numpy's numbers and an optimizer beside the weights.
    latest = {
        "epoch": 3,
        "min_loss": np.float64(0.5),
        "loss": np.float32(0.5),
        "model_state_dict": {f"module.{key}": value for key, value in weights.items()},
        "optimizer_state_dict": {"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": []},
    }
    file = checkpoint(latest, "latest.pth")
    record = skinseg.convert_checkpoint(file, tmp_path / "out")
    assert (record.architecture, record.tag) == (name, "")
    assert (record.input_size, record.normalization) == ((3, size, size), normalization)
    network = skinseg.create_model(f"local-dir:{tmp_path / 'out'}").eval()
    direct = skinseg.create_model(
        name, num_classes=network.num_classes, checkpoint_path=file
    ).eval()
    image = tensors["input"][..., :64, :64]
    assert torch.equal(network(image), direct(image))
    assert network.num_classes == (2 if name.startswith("lmsaunet") else 1)


def test_the_record_says_that_the_training_is_unknown(shared_dir, checkpoint, tmp_path):
    tensors = load_file(shared_dir / "parity" / "egeunet.safetensors")
    file = checkpoint(
        {k.removeprefix("weights."): v for k, v in tensors.items() if k.startswith("weights.")}
    )
    record = skinseg.convert_checkpoint(file, tmp_path / "out")
    assert record.training_data == {
        "source": "unknown; the weights are converted from best.pth",
        "checkpoint_sha256": file_hash(file),
    }
    assert (record.metrics, record.license, record.recipe) == ([], None, {})
    assert "does not say what it was trained on" in record.limitations
    assert record.num_params == 53_374
    card = (tmp_path / "out" / "README.md").read_text()
    assert "None recorded" in card
    assert "datasets:" not in card
    assert json.loads((tmp_path / "out" / "config.json").read_text())["sha256"] == record.sha256


SMALL = {"in_chans": 1, "num_classes": 3, "channels": [8, 8, 16, 16, 24, 40]}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("malunet", SMALL),
        ("malunet_dga_iea", SMALL),
        ("egeunet", SMALL),
        ("lmsaunet_n4", {"in_chans": 4, "num_classes": 2, "channels": [8, 16, 24, 32]}),
        (
            "bisenet",
            {
                "in_chans": 4,
                "num_classes": 2,
                "spatial_channels": [4, 8],
                "layers": [1, 2, 1],
                "width": 4,
            },
        ),
        (
            "deeplabv3",
            {
                "in_chans": 4,
                "num_classes": 2,
                "layers": [1, 2, 1, 1],
                "width": 4,
                "decoder_channels": 8,
            },
        ),
        ("unet_1024", {"in_chans": 4, "num_classes": 2, "channels": [4, 8, 8, 16, 16]}),
    ],
)
def test_widths_and_classes_are_read_from_the_shapes(checkpoint, tmp_path, name, arguments):
    """Of a network that is named; its weights may then have this package's names, too."""
    network = skinseg.create_model(name, **arguments)
    file = checkpoint(network.state_dict())
    record = skinseg.convert_checkpoint(file, tmp_path / "out", architecture=name)
    assert record.architecture == name
    assert record.model_args == network.config
    assert record.input_size[0] == arguments["in_chans"]


def reference_weights(shared_dir, name):
    tensors = load_file(shared_dir / "parity" / f"{name}.safetensors")
    return {k.removeprefix("weights."): v for k, v in tensors.items() if k[:8] == "weights."}


def as_conv(weights):
    """``split_att="conv"``: 1-D convolutions of kernel 1 for the linear heads."""
    return {
        key: value[..., None] if key.startswith("scab.catt.att") and value.ndim == 2 else value
        for key, value in weights.items()
    }


def without(weights, *prefixes):
    return {key: value for key, value in weights.items() if not key.startswith(prefixes)}


def without_masks(weights):
    """``gt_ds=False``: no heads for masks, and so no channel for one in each group."""
    kept = without(weights, "gt_conv")
    for key, value in kept.items():
        if key.startswith("GAB") and ".g" in key:
            kept[key] = value[:-1]
        elif key.startswith("GAB") and ".tail_conv." in key:
            axis = 1 if value.ndim == 4 else 0
            if value.shape[axis] % 4 == 0 and "tail_conv.1.bias" not in key:
                kept[key] = value.narrow(axis, 0, value.shape[axis] - 4)
    return kept


@pytest.mark.parametrize(
    ("name", "change", "arguments"),
    [
        ("malunet", as_conv, {"bridge": "sab-cab"}),
        ("malunet", lambda w: without(w, "scab."), {"bridge": None}),
        ("egeunet", lambda w: without(w, "GAB"), {"bridge": False, "deep_supervision": False}),
        ("egeunet", lambda w: without(w, "GAB", "gt_conv"), {"bridge": False}),
        ("egeunet", without_masks, {"bridge": True, "deep_supervision": False}),
    ],
)
def test_variants_are_told_by_their_weights(
    shared_dir, checkpoint, tmp_path, name, change, arguments
):
    weights = reference_weights(shared_dir, name)
    record = skinseg.convert_checkpoint(checkpoint(change(weights)), tmp_path / "out")
    assert record.architecture == name
    assert {key: record.model_args[key] for key in arguments} == arguments
    network = skinseg.create_model(f"local-dir:{tmp_path / 'out'}").eval()
    whole = skinseg.create_model(name, checkpoint_path=checkpoint(weights)).eval()
    x = torch.rand(1, 3, 64, 64)
    assert torch.equal(network(x), whole(x)) == (change is as_conv)
    assert torch.equal(network.encoder(x)[-1], whole.encoder(x)[-1])


def test_a_network_without_masks_that_expects_them_is_refused(shared_dir, checkpoint, tmp_path):
    file = checkpoint(without(reference_weights(shared_dir, "egeunet"), "gt_conv"))
    with pytest.raises(skinseg.CheckpointError, match="of another shape"):
        skinseg.convert_checkpoint(file, tmp_path / "out")


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_prefixes_of_wrappers_are_removed(shared_dir, checkpoint, tmp_path, prefix):
    weights = reference_weights(shared_dir, "malunet")
    file = checkpoint({f"{prefix}{key}": value for key, value in weights.items()})
    assert skinseg.convert_checkpoint(file, tmp_path / "out").architecture == "malunet"


def test_weights_that_are_no_numbers_are_refused(checkpoint, tmp_path):
    weights = {"encoder4.1.gau.x": torch.zeros(2), "final.bias": torch.tensor([0, float("nan")])}
    with pytest.raises(skinseg.CheckpointError, match=r"has NaN in 'final\.bias' and 0 other"):
        skinseg.convert_checkpoint(checkpoint(weights), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_named_network_must_be_that_of_the_weights(checkpoint, tmp_path):
    file = checkpoint(skinseg.create_model("lmsaunet_n8").state_dict())
    with pytest.raises(skinseg.CheckpointError, match=r"do not fit LMSAUNet: \d+ missing"):
        skinseg.convert_checkpoint(file, tmp_path / "out", architecture="lmsaunet")


class Code:
    """Unpickled, it would write a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_pickled_code_is_refused_and_not_run(checkpoint, tmp_path):
    trap = tmp_path / "trap"
    file = checkpoint({"loss": Code(trap), "model_state_dict": {"GAB1.x": torch.zeros(1)}})
    with pytest.raises(skinseg.CheckpointError, match="a pickle that may run code"):
        skinseg.convert_checkpoint(file, tmp_path / "out")
    file.write_bytes(pickle.dumps(Code(trap), protocol=2))
    with pytest.raises(skinseg.CheckpointError, match="is refused"):
        skinseg.convert_checkpoint(file, tmp_path / "out")
    assert not trap.exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds no state dict but list"),
        ({}, "holds no state dict"),
        ({"epoch": 3}, "holds int under 'epoch' where a tensor was expected"),
        ({"layer.weight": torch.zeros(1)}, "of no network that can be recognized.*'layer.weight'"),
        ({"GAB1.x": torch.zeros(1)}, "no whole checkpoint of EGEUNet"),
        (
            {"GAB1.x": torch.zeros(1), "encoder1.0.weight": torch.zeros(1)},
            "weights of other dimensions than EGEUNet",
        ),
        ({"encoder4.1.gau.x": torch.zeros(1)}, "no whole checkpoint of MALUNet"),
        ({"encoder1.cmrf.se_att.x": torch.zeros(1)}, "no whole checkpoint of LMSAUNet"),
    ],
)
def test_files_of_something_else(checkpoint, tmp_path, content, message):
    with pytest.raises(skinseg.CheckpointError, match=message):
        skinseg.convert_checkpoint(checkpoint(content), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_weight_is_named(checkpoint, shared_dir, tmp_path):
    tensors = load_file(shared_dir / "parity" / "malunet.safetensors")
    weights = {k.removeprefix("weights."): v for k, v in tensors.items() if k[:8] == "weights."}
    del weights["encoder4.1.mda3.bias"]
    with pytest.raises(skinseg.CheckpointError, match=r"1 missing \(encoder.stages.3.*dilated.3"):
        skinseg.convert_checkpoint(checkpoint(weights), tmp_path / "out")


def test_a_broken_and_a_missing_file(tmp_path):
    (tmp_path / "x.pth").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(skinseg.CheckpointError, match="is not a readable checkpoint"):
        skinseg.convert_checkpoint(tmp_path / "x.pth", tmp_path / "out")
    with pytest.raises(skinseg.CheckpointError, match="there is no such file"):
        skinseg.convert_checkpoint(tmp_path / "y.pth", tmp_path / "out")


def test_the_folder_must_be_new_or_empty(checkpoint, tmp_path):
    file = checkpoint(skinseg.create_model("malunet").state_dict())
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    for folder in (tmp_path / "full", file):
        with pytest.raises(FileExistsError, match="exists already; choose another folder"):
            skinseg.convert_checkpoint(file, folder, architecture="malunet")
    (tmp_path / "empty").mkdir()
    skinseg.convert_checkpoint(file, tmp_path / "empty", architecture="malunet")


def test_a_checkpoint_in_the_home_folder(checkpoint, tmp_path, monkeypatch):
    file = checkpoint(skinseg.create_model("malunet").state_dict())
    monkeypatch.setenv("HOME", str(file.parent))
    record = skinseg.convert_checkpoint(f"~/{file.name}", tmp_path / "out", architecture="malunet")
    assert len(record.training_data["checkpoint_sha256"]) == 64


def test_networks_that_no_authors_checkpoint_is_known_of(checkpoint, tmp_path):
    file = checkpoint({"a": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"unet is none of .*MALUNet"):
        skinseg.convert_checkpoint(file, tmp_path / "out", architecture="unet")
    with pytest.raises(ValueError, match="no network 'malnet'; did you mean malunet"):
        skinseg.convert_checkpoint(file, tmp_path / "out", architecture="malnet")


def test_command(checkpoint, tmp_path):
    file = checkpoint(skinseg.create_model("egeunet", num_classes=2).state_dict())
    out = tmp_path / "my out"
    result = run("convert", file, "--to", out, "--model", "egeunet")
    assert result.exit_code == 0, result.output
    assert "egeunet (in_chans=3, num_classes=2, " in result.stdout
    assert f"--model 'local-dir:{out}'" in result.stdout
    assert "What it was trained on is unknown" in result.stdout
    again = run("convert", file, "--to", out, "--model", "egeunet")
    assert (again.exit_code, again.stdout) == (1, "")
    assert "exists already" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [((), 1, "can be recognized"), (("--model", "nonet"), 2, "no network 'nonet'")],
)
def test_command_that_fails(checkpoint, tmp_path, arguments, status, message):
    file = checkpoint({"a": torch.zeros(1)})
    result = run("convert", file, "--to", tmp_path / "out", *arguments)
    assert result.exit_code == status
    assert message in result.stderr
