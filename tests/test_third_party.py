"""Blocks in the real networks of other libraries: the examples of docs/examples, and more."""

import importlib
import io
import sys
from pathlib import Path

import pytest
import torch
from hub_networks import outputs
from travels import assert_travels, trained

import skinseg
from skinseg import surgery

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
SMP = ["ecdf_decoder", "dga_bottleneck", "bridged_skips", "gab_skips", "everything"]
MONAI = ["ecdf_everywhere", "ghpa_deep", "iea_deep", "sab_skips", "cab_skips"]

pytestmark = pytest.mark.hosts


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def example(monkeypatch):
    """Import an example, where the library that it is about is installed."""
    monkeypatch.syspath_prepend(EXAMPLES)

    def load(name, *libraries):
        for library in libraries:
            pytest.importorskip(library, reason=f"needs {library}; see the Makefile's install rule")
        return importlib.import_module(name)

    yield load
    for path in EXAMPLES.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.fixture
def smp_unet(example):
    return example("smp_unet", "segmentation_models_pytorch")


@pytest.fixture
def basic_unet(example):
    return example("monai_basic_unet", "monai")


def assert_learns_a_step(network, size=64):
    """One step lowers the loss on its own batch, and every weight takes part."""
    x = torch.rand(2, 3, size, size)
    target = (x.mean(1, keepdim=True) > 0.5).float()
    optimizer = torch.optim.SGD(network.parameters(), 1e-3)
    losses = []
    for _ in range(2):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(network.train()(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[1] < losses[0]
    assert not [name for name, p in network.named_parameters() if p.grad is None]


def assert_saves_and_loads(make, network):
    """The weights go through a file into a second network that was made in the same way."""
    file = io.BytesIO()
    torch.save(network.state_dict(), file)
    file.seek(0)
    again = make()
    again.load_state_dict(torch.load(file, weights_only=True))
    x = torch.rand(1, 3, 64, 64)
    assert torch.equal(again.eval()(x), network.eval()(x))


def untouched(before, after):
    """The weights of the host that the result has, by the host's names."""
    names = {name.replace("host.", ""): name for name in after}
    return {name: after[names[name]] for name in before if name in names}


@pytest.mark.parametrize("operation", SMP)
def test_smp_unet(smp_unet, operation):
    host = smp_unet.unet()
    report = getattr(smp_unet, operation)(host)
    before, after = host.state_dict(), report.model.state_dict()
    kept = untouched(before, after)
    assert all(torch.equal(before[name], value) for name, value in kept.items())
    replaced = [name for name in before if name not in kept]
    ecdf = operation in ("ecdf_decoder", "everything")
    assert all(name.startswith("decoder.blocks.") for name in replaced) and bool(replaced) == ecdf
    assert_learns_a_step(report.model)


def test_smp_decoder_blocks_are_found_as_double_convolutions(smp_unet):
    report = smp_unet.ecdf_decoder(smp_unet.unet())
    stem = "decoder.blocks.{0}.conv{1}"
    assert [change.place for change in report.changes] == [
        (stem.format(i, 1), stem.format(i, 2)) for i in range(5)
    ]
    assert report.changes[0].old == ("Conv2dReLU", "Conv2dReLU")
    assert report.macs_after < report.macs_before / 4


def test_smp_bridge_gets_the_skips_and_nothing_else(smp_unet):
    network = smp_unet.bridged_skips(smp_unet.unet()).model.eval()
    maps = network.encoder(torch.rand(1, 3, 64, 64))
    seen = {}
    network.decoder.host.register_forward_pre_hook(lambda _, args: seen.update(maps=args[0]))
    network.decoder(maps)
    expected = network.decoder.block(maps[1:5])
    assert seen["maps"][0] is maps[0] and seen["maps"][5] is maps[5]
    for found, wanted in zip(seen["maps"][1:5], expected, strict=True):
        torch.testing.assert_close(found, wanted)


def test_smp_result_saves_and_loads(smp_unet):
    def make():
        return smp_unet.everything(smp_unet.unet()).model

    assert_saves_and_loads(make, make())


@pytest.mark.slow
def test_smp_result_exports_and_compiles(smp_unet):
    network = smp_unet.everything(smp_unet.unet()).model.eval()
    x = torch.rand(1, 3, 64, 64)
    exported = torch.export.export(network, (x,))
    torch.testing.assert_close(exported.module()(x), network(x))
    compiled = torch.compile(network, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), network(x))


def test_smp_blocks_as_they_are_cannot_be_replaced(smp_unet):
    x = torch.zeros(1, 3, 64, 64)
    with pytest.raises(surgery.SurgeryError, match=r"blocks\.0 takes 2 tensors, and a block one"):
        surgery.replace(smp_unet.unet(), "decoder.blocks.*", "ecdf", example_input=x)


@pytest.mark.parametrize("encoder", ["resnet18", "tu-resnet18"])
def test_residual_blocks_hold_double_convolutions(smp_unet, encoder):
    host = smp_unet.unet(encoder)
    inside = surgery.conv_run() & surgery.by_name("encoder.**")
    report = surgery.replace(host, inside, "ecdf", example_input=torch.zeros(1, 3, 64, 64))
    # The first block of a coarser stage has a stride, and stays.
    places = [
        change.place[0].removeprefix("encoder.").removeprefix("model.") for change in report.changes
    ]
    assert places == [f"layer{i}.conv1" for i in ("1.0", "1.1", "2.1", "3.1", "4.1")]


@pytest.mark.parametrize("operation", MONAI)
def test_monai_basic_unet(basic_unet, operation):
    host = basic_unet.basic_unet()
    report = getattr(basic_unet, operation)(host)
    kept = untouched(host.state_dict(), report.model.state_dict())
    assert all(torch.equal(host.state_dict()[name], value) for name, value in kept.items())
    assert_learns_a_step(report.model)


def test_monai_double_convolutions_are_replaced_as_a_whole(basic_unet):
    report = basic_unet.ecdf_everywhere(basic_unet.basic_unet())
    assert [change.old for change in report.changes] == [("TwoConv",)] * 9
    assert report.changes[0].place == ("conv_0",)
    assert report.parameters_after < report.parameters_before / 5


@pytest.mark.slow
def test_monai_result_exports(basic_unet):
    network = basic_unet.sab_skips(basic_unet.iea_deep(basic_unet.basic_unet()).model).model.eval()
    x = torch.rand(1, 3, 64, 64)
    exported = torch.export.export(network, (x,))
    torch.testing.assert_close(exported.module()(x), network(x))


@pytest.mark.parametrize("make", ["plain_unet", "malunet_on_timm"])
def test_timm_backbone_under_our_bridge_and_decoder(example, make):
    network = getattr(example("bridged_unet", "timm"), make)()
    assert network(torch.rand(2, 3, 64, 96)).shape == (2, 1, 64, 96)
    assert_learns_a_step(network)


def test_our_encoder_takes_the_place_of_timms(example):
    module = example("bridged_unet", "timm")
    encoder = skinseg.create_model("egeunet", features_only=True, out_indices=(0, 1, 2, 3, 5))
    network = module.BridgedUNet(encoder, module.conv3x3, bridge="scab")
    assert network(torch.rand(1, 3, 64, 64)).shape == (1, 1, 64, 64)


def test_our_encoder_under_smps_decoder(example):
    module = example("encoder_for_smp", "segmentation_models_pytorch")
    encoder = module.malunet_encoder()
    trained = skinseg.create_model("malunet", pretrained=True).encoder.state_dict()
    found = encoder.encoder.state_dict()
    assert all(torch.equal(found[name], value) for name, value in trained.items())
    assert_learns_a_step(module.smp_unet(module.plain_encoder()))
    network = module.smp_unet(encoder)
    assert network(torch.rand(1, 3, 64, 96)).shape == (1, 1, 64, 96)


# Networks of other libraries travel by their names

OPERATORS = (
    "from torchvision_operators import declare_missing_operators; declare_missing_operators()"
)
X = torch.zeros(1, 3, 64, 64)
SMALL = {"decoder_channels": (32, 16, 16, 8, 8)}


@pytest.fixture
def smp():
    return pytest.importorskip("segmentation_models_pytorch")


def ecdf_decoder(host):
    double = surgery.conv_run() & surgery.by_name("decoder.**")
    return surgery.replace(host, double, "ecdf", example_input=X).model


@pytest.mark.parametrize("ours", [True, False], ids=["by our name", "made by smp"])
def test_smp_network_with_blocks_is_trained_and_travels(smp, ours, tmp_path, monkeypatch):
    make = skinseg.create_model if ours else smp.create_model
    name = "smp:unet" if ours else "unet"
    weights = {} if ours else {"encoder_weights": None}
    network = ecdf_decoder(make(name, encoder_name="resnet18", **weights, **SMALL))
    network.in_chans = 3  # for the comparison below
    record = trained(network, tmp_path / "run")
    assert record.architecture == "smp:unet"
    assert record.model_args["encoder_name"] == "resnet18"
    assert "encoder_weights" not in record.model_args
    again = skinseg.create_model(f"local-dir:{tmp_path / 'run'}")
    assert torch.equal(outputs(again), outputs(network))
    card = assert_travels(network, tmp_path, monkeypatch, OPERATORS)
    assert "`ecdf` in place of `decoder.blocks.0.conv1 + decoder.blocks.0.conv2`" in card
    predictor = skinseg.Predictor(f"local-dir:{tmp_path / 'run'}")
    image = skinseg.data.synthetic_lesion(0, 96)[0]
    assert predictor(image).mask.shape == (96, 96)


def test_timm_features_with_blocks_travel(timm, tmp_path):
    host = skinseg.create_model("timm:mobilenetv3_small_050", features_only=True, in_chans=4)
    x = torch.rand(1, 4, 64, 64)
    network = surgery.insert(host, "dga", after="blocks.2", example_input=x).model.eval()
    skinseg.hub.save_pretrained(network, tmp_path)
    again = skinseg.create_model(f"local-dir:{tmp_path}").eval()
    assert all(map(torch.equal, again(x), network(x)))
    assert skinseg.hub.read_local_dir(tmp_path).input_size[0] == 4


def test_images_are_prepared_for_timms_networks_as_timm_says(timm, tmp_path):
    network = skinseg.create_model("timm:resnet18", num_classes=1)
    transform = skinseg.create_transform(network)
    assert transform.input_size == network.pretrained_cfg["input_size"][1:]
    assert transform.normalization.mean == network.pretrained_cfg["mean"]
    assert transform.normalization.std == network.pretrained_cfg["std"]
    skinseg.hub.save_pretrained(network, tmp_path)
    record = skinseg.hub.read_local_dir(tmp_path)
    assert skinseg.create_transform(record) == transform
    assert skinseg.create_transform(skinseg.create_model(f"local-dir:{tmp_path}")) == transform


@pytest.mark.parametrize(
    ("name", "arguments", "error", "says"),
    [
        ("smp:unett", {}, ValueError, "smp has no network 'unett'; did you mean unet"),
        ("smp:unet", {"encoder_name": "tu-hf-hub:org/x"}, ValueError, "must be a name, not a pl"),
        ("timm:hf-hub:org/x", {}, ValueError, "timm has no network 'hf-hub:org/x'"),
        ("timm:resnet18", {"checkpoint_path": "x.pth"}, ValueError, "x.pth"),
        ("timm:resnet18", {"pretrained_cfg": {"url": "x"}}, TypeError, "load weights afterwards"),
        ("smp:unet", {"pretrained": True}, TypeError, "encoder_weights= names its weights"),
        ("smp:unet", {"pretrained_cfg_overlay": {"tag": ""}}, TypeError, "no record of weights"),
        ("smp:unet", {"num_classes": 2}, TypeError, "'num_classes'; it is classes in smp"),
        ("smp:unet", {"in_chans": 1}, TypeError, "'in_chans'; it is in_channels in smp"),
        ("smp:unet", {"clases": 2}, TypeError, "'clases'; did you mean classes"),
    ],
)
def test_names_of_other_libraries_are_names(smp, timm, name, arguments, error, says):
    with pytest.raises(error, match=says):
        skinseg.create_model(name, **arguments)


def test_weights_of_the_host_load_after_the_operation(smp):
    """As those of ImageNet do, which this does without."""
    pretrained = smp.Unet("resnet18", encoder_weights=None, **SMALL)
    network = smp.Unet("resnet18", encoder_weights=None, **SMALL)
    network = surgery.insert(network, "dga", after="encoder", maps=-1, example_input=X).model
    weights = {f"encoder.{k}": v for k, v in pretrained.encoder.state_dict().items()}
    found = network.load_state_dict(weights, strict=False)
    assert found.unexpected_keys == []
    maps = zip(pretrained.eval().encoder(X + 1), network.eval().encoder.host(X + 1), strict=True)
    assert all(torch.equal(a, b) for a, b in maps)
