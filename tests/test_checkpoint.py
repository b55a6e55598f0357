import os
import pickle
import struct
import sys
import types
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from wrappers import WRAPPERS

import skinseg
from skinseg.checkpoint import read_state_dict
from skinseg.training import Recipe, train
from skinseg.unwrap import unwrapped


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
    assert read_state_dict(tmp_path / "net.pth").keys() == network.state_dict().keys()
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


@pytest.mark.parametrize("kept", [0.02, 0.1, 0.5, 0.9])
def test_older_files_that_were_cut_off(tmp_path, network, kept):
    path = tmp_path / "a.pth"
    torch.save(network.state_dict(), path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(skinseg.CheckpointError, match=r"a\.pth is"):
        read_state_dict(path)


@pytest.mark.parametrize("error", [struct.error, IndexError, AssertionError, AttributeError])
def test_whatever_torch_raises_for_a_damaged_file(tmp_path, monkeypatch, error):
    def failing(*_, **__):
        raise error("of its own")

    (tmp_path / "a.pth").touch()
    monkeypatch.setattr(torch, "load", failing)
    message = rf"a\.pth is not a readable checkpoint \({error.__name__}: of its own\)"
    with pytest.raises(skinseg.CheckpointError, match=message):
        read_state_dict(tmp_path / "a.pth")


def test_missing_file(tmp_path):
    with pytest.raises(skinseg.CheckpointError, match="there is no such file"):
        read_state_dict(tmp_path / "none.pth")


@pytest.mark.parametrize(
    "content",
    [
        {},
        [1],
        {"epoch": 3},
        {0: torch.zeros(1)},
        {"step": {"model_state_dict": {}, "average": {"decay": 0.9}}},
    ],
)
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


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda weight: (127 * weight).to(torch.int8), "a torch.int8 tensor"),
        (lambda weight: weight.to(torch.complex64), "a torch.complex64 tensor"),
        (lambda weight: weight.to_sparse(), "a torch.sparse_coo tensor"),
        (lambda weight: weight.to("meta"), r"a meta \(empty\) tensor"),
    ],
    ids=["integer", "complex", "sparse", "meta"],
)
def test_other_numbers_are_no_weights(tmp_path, network, change, says):
    state = network.state_dict()
    before = state["head.weight"].clone()
    torch.save({**state, "head.weight": change(before)}, tmp_path / "a.pth")
    with pytest.raises(skinseg.CheckpointError, match=f"{says} under 'head.weight', and the"):
        skinseg.load_checkpoint(network, tmp_path / "a.pth")
    assert torch.equal(network.state_dict()["head.weight"], before)


def test_batch_counters_of_older_versions_of_torch_may_be_missing(tmp_path):
    counter = ".num_batches_tracked"
    state = skinseg.create_model("mkunet_t").state_dict()
    torch.save({k: v for k, v in state.items() if not k.endswith(counter)}, tmp_path / "a.pth")
    again = skinseg.create_model("mkunet_t", checkpoint_path=tmp_path / "a.pth").state_dict()
    assert any(key.endswith(counter) for key in again)
    assert all(torch.equal(state[key], value) for key, value in again.items())


def test_weights_of_another_network(tmp_path, network):
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / "vgg.pth")
    with pytest.raises(skinseg.CheckpointError, match=r"no weight in .*vgg.pth has a name"):
        skinseg.load_checkpoint(network, tmp_path / "vgg.pth")
    with pytest.raises(skinseg.CheckpointError, match="do not fit MALUNet"):
        skinseg.create_model("malunet", checkpoint_path=tmp_path / "vgg.pth")


def loads(network, content, path):
    torch.save(content, path)
    again = skinseg.create_model("basic_unet", checkpoint_path=path)
    expected = network.state_dict()
    return all(torch.equal(value, expected[key]) for key, value in again.state_dict().items())


@pytest.mark.parametrize(
    "prefix",
    ["_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "model.", "net.", "segmenter."],
)
def test_prefixes_of_those_who_wrapped_the_network(tmp_path, network, prefix):
    state = {prefix + key: value for key, value in network.state_dict().items()}
    assert loads(network, {"state_dict": state}, tmp_path / "net.pth")


@pytest.mark.parametrize("wrapper", WRAPPERS.values(), ids=WRAPPERS)
def test_a_wrapped_network_is_filled(tmp_path, network, wrapper):
    torch.save(network.state_dict(), tmp_path / "net.pth")
    wrapped = wrapper(skinseg.create_model("basic_unet"))
    skinseg.load_checkpoint(wrapped, tmp_path / "net.pth")
    inner = unwrapped(wrapped).state_dict()
    assert all(torch.equal(inner[key], value) for key, value in network.state_dict().items())


def test_a_network_of_which_parts_were_compiled(tmp_path):
    network = skinseg.create_model("basic_unet")
    network.encoder = torch.compile(network.encoder)
    assert any("encoder._orig_mod." in key for key in network.state_dict())
    whole = skinseg.create_model("basic_unet")
    torch.save(network.state_dict(), tmp_path / "net.pth")
    skinseg.load_checkpoint(whole, tmp_path / "net.pth")
    assert torch.equal(
        whole.encoder.stages[0].block.weight, network.encoder._orig_mod.stages[0].block.weight
    )


@pytest.mark.parametrize("wrapper", ["state_dict_ema", "model_ema"])
def test_averages_come_before_what_they_are_of(tmp_path, network, wrapper):
    other = skinseg.create_model("basic_unet").state_dict()
    assert loads(
        network, {"state_dict": other, wrapper: network.state_dict()}, tmp_path / "timm.pth"
    )


def test_an_average_that_was_not_kept(tmp_path, network):
    state = {"state_dict_ema": {}, "state_dict": network.state_dict()}
    assert loads(network, state, tmp_path / "timm.pth")


def test_threads_may_read_at_once(tmp_path, network):
    # One name that torch does not take for safe by itself.
    torch.save({"state_dict": network.state_dict(), "best": np.float64(0.5)}, tmp_path / "a.pth")
    with ThreadPoolExecutor(4) as threads:
        states = list(threads.map(read_state_dict, [tmp_path / "a.pth"] * 40))
    assert all(state.keys() == network.state_dict().keys() for state in states)


def test_a_file_in_the_home_folder(tmp_path, network, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    torch.save(network.state_dict(), tmp_path / "net.pth")
    assert read_state_dict("~/net.pth").keys() == network.state_dict().keys()


def test_torchs_average_of_a_model(tmp_path, network):
    average = torch.optim.swa_utils.AveragedModel(network)
    assert loads(network, average.state_dict(), tmp_path / "average.pth")


def test_what_else_a_lightning_module_holds_is_left(tmp_path, network):
    state = {f"net.{key}": value for key, value in network.state_dict().items()}
    state |= {"criterion.weight": torch.ones(2), "total": torch.zeros(1)}
    assert loads(
        network, {"epoch": 3, "global_step": 9, "state_dict": state}, tmp_path / "last.ckpt"
    )
    del state["net.head.bias"]
    with pytest.raises(skinseg.CheckpointError, match=r"1 missing \(head.bias\)"):
        loads(network, {"state_dict": state}, tmp_path / "last.ckpt")


def test_two_networks_in_a_file_are_not_chosen_between(tmp_path, network):
    state = {
        f"{part}.{key}": value
        for part in ("teacher", "student")
        for key, value in network.state_dict().items()
    }
    with pytest.raises(skinseg.CheckpointError, match="several networks, teacher and student"):
        loads(network, state, tmp_path / "two.ckpt")


def test_settings_of_lightning_are_passed_over(tmp_path, network, monkeypatch):
    place = "lightning.fabric.utilities.data"
    settings_class = type("AttributeDict", (dict,), {"__module__": place})
    with monkeypatch.context() as installed:
        for depth in range(1, 5):
            name = ".".join(place.split(".")[:depth])
            installed.setitem(sys.modules, name, types.ModuleType(name))
        sys.modules[place].AttributeDict = settings_class
        settings = settings_class(lr=0.1, folder=tmp_path)
        content = {"state_dict": network.state_dict(), "hyper_parameters": settings}
        torch.save(content, tmp_path / "a.ckpt")
    skinseg.load_checkpoint(skinseg.create_model("basic_unet"), tmp_path / "a.ckpt")


def test_a_checkpoint_of_lightning_itself(tmp_path, network):
    lightning = pytest.importorskip("lightning")

    class Lesions(lightning.LightningModule):
        def __init__(self, rate, folder):
            super().__init__()
            self.save_hyperparameters()
            self.model = network

        def training_step(self, batch):
            return self.model(batch[0]).square().mean()

        def configure_optimizers(self):
            return torch.optim.AdamW(self.parameters(), self.hparams.rate)

    images = torch.utils.data.TensorDataset(torch.randn(2, 3, 32, 32))
    trainer = lightning.Trainer(
        max_epochs=1,
        default_root_dir=tmp_path,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
    )
    trainer.fit(Lesions(0.1, tmp_path), torch.utils.data.DataLoader(images))
    [file] = tmp_path.rglob("*.ckpt")
    again = skinseg.create_model("basic_unet", checkpoint_path=file)
    assert torch.equal(again.head.weight, network.head.weight)


@pytest.mark.parametrize("ema_decay", [None, 0.5])
def test_the_trainers_own_checkpoint(tmp_path, ema_decay):
    lesions = skinseg.data.SyntheticDermoscopy(4, size=32)
    network = skinseg.create_model("basic_unet")
    recipe = Recipe(epochs=2, size=32, batch_size=4, ema_decay=ema_decay, keep="last")
    train(network, lesions, None, tmp_path / "run", recipe, progress=False)
    again = skinseg.create_model("basic_unet", checkpoint_path=tmp_path / "run/checkpoint.pt")
    for key, value in network.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key
