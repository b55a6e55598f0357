import os
import pickle

import pytest
import torch
from safetensors.torch import save_file

import skinseg
from skinseg.checkpoint import read_state_dict


class RunsCode:
    def __reduce__(self):
        return os.mkdir, ("the-pickle-ran",)


@pytest.fixture
def network():
    return skinseg.create_model("basic_unet")


@pytest.mark.parametrize("wrapper", [None, "model_state_dict", "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_forms_of_checkpoints(tmp_path, network, wrapper, prefix):
    state = {prefix + key: value for key, value in network.state_dict().items()}
    state[f"{prefix}head.total_ops"] = torch.zeros(1)
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, tmp_path / "net.pth")
    again = skinseg.create_model("basic_unet", checkpoint_path=tmp_path / "net.pth")
    assert torch.equal(again.head.weight, network.head.weight)


def test_safetensors(tmp_path, network):
    save_file(network.state_dict(), tmp_path / "net.safetensors")
    again = skinseg.create_model("basic_unet", checkpoint_path=tmp_path / "net.safetensors")
    assert torch.equal(again.head.weight, network.head.weight)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"head.weight": RunsCode()}, "torch.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(RunsCode()))
    for name in ("torch.pth", "plain.pth"):
        with pytest.raises(skinseg.CheckpointError, match=f"{name} is refused"):
            read_state_dict(name)
    assert not (tmp_path / "the-pickle-ran").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.pth", b""), ("a.pth", b"no pickle"), ("a.safetensors", b""), ("a.safetensors", b"x" * 99)],
)
def test_broken_files(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(skinseg.CheckpointError, match=name):
        read_state_dict(tmp_path / name)


def test_missing_file(tmp_path):
    with pytest.raises(skinseg.CheckpointError, match="there is no such file"):
        read_state_dict(tmp_path / "none.pth")


@pytest.mark.parametrize("content", [{}, [1], {"epoch": 3}])
def test_files_without_weights(tmp_path, content):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(skinseg.CheckpointError, match=r"a.pth holds"):
        read_state_dict(tmp_path / "a.pth")


def test_loading_is_strict_and_all_or_nothing(tmp_path, network):
    state = network.state_dict()
    before = {key: value.clone() for key, value in state.items()}
    broken = {key: value + 1 for key, value in state.items() if key != "head.bias"}
    broken["extra"] = torch.zeros(1)
    broken["head.weight"] = torch.zeros(2, 8, 1, 1)
    torch.save(broken, tmp_path / "a.pth")
    with pytest.raises(skinseg.CheckpointError) as raised:
        skinseg.load_checkpoint(network, tmp_path / "a.pth")
    for said in ("1 missing (head.bias)", "1 unexpected (extra)", "(2, 8, 1, 1), the network has"):
        assert said in str(raised.value)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_weights_of_another_network(tmp_path, network):
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / "vgg.pth")
    with pytest.raises(skinseg.CheckpointError, match=r"no weight in .*vgg.pth has a name"):
        skinseg.load_checkpoint(network, tmp_path / "vgg.pth")
    with pytest.raises(skinseg.CheckpointError, match="do not fit MALUNet"):
        skinseg.create_model("malunet", checkpoint_path=tmp_path / "vgg.pth")
