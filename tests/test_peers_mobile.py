"""MobileViTv2, MobileNetV3 and UTNetV2, with which the papers compare, are the published ones."""

import re

import pytest
import torch
from filling import vary
from safetensors.torch import save_file

import skinseg
from skinseg.checkpoint import CheckpointError
from skinseg.complexity import model_complexity

ENCODERS = {
    ("mobilenetv3", 0.5): "mobilenetv3_small_050",
    ("mobilenetv3", 0.75): "mobilenetv3_small_075",
    ("mobilenetv3", 1.0): "mobilenetv3_small_100",
    ("mobilevitv2", 0.5): "mobilevitv2_050",
    ("mobilevitv2", 0.75): "mobilevitv2_075",
    ("mobilevitv2", 1.25): "mobilevitv2_125",
}
SIZES = [(256, 256), (100, 77), (32, 47)]


@torch.no_grad()
@pytest.mark.hosts
@pytest.mark.parametrize(("name", "width"), ENCODERS)
def test_features_are_timms_with_its_weights(timm, name, width, tmp_path):
    torch.manual_seed(0)
    theirs = vary(timm.create_model(ENCODERS[name, width], features_only=True))
    save_file(theirs.state_dict(), tmp_path / "encoder.safetensors")
    network = skinseg.create_model(name, width=width).eval()
    network.load_encoder_weights(tmp_path / "encoder.safetensors")
    assert network.feature_info.channels() == theirs.feature_info.channels()
    assert network.feature_info.reduction() == theirs.feature_info.reduction()
    for size in SIZES:
        x = torch.randn(2, 3, *size)
        for ours, expected in zip(network.encoder(x), theirs(x), strict=True):
            scale = float(expected.abs().max())
            torch.testing.assert_close(ours, expected, atol=1e-5 * scale, rtol=0)


@pytest.mark.hosts
@pytest.mark.parametrize(("name", "width"), ENCODERS)
def test_whole_classifiers_of_timm_load(timm, name, width, tmp_path):
    theirs = timm.create_model(ENCODERS[name, width])
    torch.save(theirs.state_dict(), tmp_path / "classifier.pth")
    network = skinseg.create_model(name, width=width, in_chans=1)
    network.load_encoder_weights(tmp_path / "classifier.pth")
    (first,) = network.first_weights
    gray = next(iter(theirs.state_dict().values())).sum(1, keepdim=True)
    torch.testing.assert_close(network.state_dict()[first], gray)


@pytest.mark.parametrize("name", ["mobilenetv3", "mobilevitv2"])
def test_encoder_weights_of_another_width_are_refused(name, tmp_path):
    narrow, wide = (skinseg.create_model(name, width=width) for width in (0.5, 1.0))
    torch.save(narrow.encoder.state_dict(), tmp_path / "narrow.pth")
    before = {key: value.clone() for key, value in wide.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"narrow\.pth do not fit .* of another shape"):
        wide.load_encoder_weights(tmp_path / "narrow.pth")
    assert all(torch.equal(value, before[key]) for key, value in wide.state_dict().items())


def test_networks_without_published_encoders_say_so(tmp_path):
    torch.save({"weight": torch.zeros(1)}, tmp_path / "some.pth")
    with pytest.raises(NotImplementedError, match="no library publishes weights of MALUNet"):
        skinseg.create_model("malunet").load_encoder_weights(tmp_path / "some.pth")


@pytest.mark.parametrize(
    ("name", "encoder", "whole"),
    [("mobilenetv3", 927_008, 1_192_297), ("mobilevitv2", 1_113_593, 1_870_586)],
)
def test_parameter_counts(name, encoder, whole):
    network = skinseg.create_model(name)
    assert sum(p.numel() for p in network.encoder.parameters()) == encoder
    assert sum(p.numel() for p in network.parameters()) == whole
    summary = skinseg.model_entrypoint(name).__doc__
    assert int(re.search(r"([\d,]+) parameters", summary)[1].replace(",", "")) == whole


UTNETV2_DEFAULTS = {
    "convs": (2, 1, 0, 0),
    "transformers": (1, 2, 2),
    "map_size": 8,
    "expansion": 4,
}


# Parameters, and G multiply-accumulates by thop and by torch, of the public implementation; the
# last row is printed in MALUNet's and EGE-UNet's tables, of which thop gives 15.47.
@pytest.mark.parametrize(
    ("name", "arguments", "parameters", "thop", "products"),
    [
        ("utnetv2", {}, 19_187_521, 16.95, 16.82),
        ("utnetv2", UTNETV2_DEFAULTS, 28_072_897, 21.8, 22.1),
        ("utnetv2_small", {}, 12_800_385, 15.47, None),
    ],
)
def test_utnetv2_costs_what_the_public_one_does(name, arguments, parameters, thop, products):
    pytest.importorskip("thop", reason="counts as the papers did")
    network = skinseg.create_model(name, **arguments)
    assert sum(p.numel() for p in network.parameters()) == parameters
    macs = model_complexity(network, (3, 256, 256), counters=["thop", "torch"], repeats=0).macs
    assert macs["thop"] / 1e9 == pytest.approx(thop, abs=0.05 if thop > 20 else 0.005)
    if products:
        assert macs["torch"] / 1e9 == pytest.approx(products, abs=0.05 if products > 20 else 0.005)


@torch.no_grad()
def test_utnetv2_does_not_use_the_weights_that_take_no_gradient():
    network = skinseg.create_model("utnetv2", channels=4, fusion_dim=16).eval()
    x = torch.randn(1, 3, 64, 48)
    before = network(x)
    idle = [weight for weight in network.parameters() if not weight.requires_grad]
    assert [tuple(weight.shape[:2]) for weight in idle] == [(16, 16), (8, 16), (4, 8)]
    for weight in idle:
        weight.fill_(float("nan"))
    assert torch.equal(network(x), before)


@torch.no_grad()
def test_utnetv2_maps_of_the_previous_stage_follow_from_them():
    """With maps of the features, those of one stage do not reach the next stage's features."""
    x = torch.randn(1, 3, 64, 64)
    for source, reaches in {"features": False, "previous": True}.items():
        encoder = (
            skinseg.create_model("utnetv2", channels=4, map_source=source, fusion_dim=16)
            .eval()
            .encoder
        )
        before = encoder(x)
        encoder.stages[0].blocks[-1].attention.map_project.weight.zero_()
        after = encoder(x)
        assert torch.equal(before[2], after[2]) and not torch.equal(before[5], after[5])
        assert torch.equal(before[3], after[3]) is not reaches


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("utnetv2", {"map_size": 0}, "map_size must be a positive integer, not 0"),
        ("utnetv2", {"fusion_dim": 40}, "fusion_dim must be a multiple of 16, not 40"),
        ("utnetv2", {"convs": (2, 1)}, "convs must be four numbers"),
        ("utnetv2", {"transformers": (0, 1, 2)}, "three positive numbers"),
        ("utnetv2", {"map_source": "image"}, "map_source must be one of .* not 'image'"),
        ("mobilenetv3", {"width": 0}, "width must be a number above 0, not 0"),
        ("mobilevitv2", {"width": "0.5"}, "width must be a number above 0, not '0.5'"),
        ("mobilenetv3", {"in_chans": 0}, "in_chans must be at least 1, not 0"),
    ],
)
def test_impossible_arguments(name, arguments, says):
    with pytest.raises(ValueError, match=says):
        skinseg.create_model(name, **arguments)
