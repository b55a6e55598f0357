"""One matrix over every registered network."""

import copy
import json
import math
import operator
import re
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import skinseg
from skinseg.models.unet import UpBlock

NETWORKS = skinseg.list_models()
ABLATIONS = skinseg.list_models(module="ablations")
FAMILIES = [name for name in NETWORKS if name not in ABLATIONS]
# These differ from another network in a block; exporters need not see each of them every day.
VARIANTS = {*ABLATIONS, "cmunext", "cmunext_l", "lmsaunet_n8", "mkunet", "mkunet_s", "segnet_ecdf"}
VARIANTS |= {"transunet_small_ecdf", "unext", "utnetv2"}
# A minute each to export with dynamic shapes; they differ from `mucmnet` in one number.
MUCMNETS = {"mucmnet_2", "mucmnet_4", "mucmnet_8"}
VARIANTS |= {"mucmnet", *MUCMNETS}
# Half a minute each: the first networks, and one for each operator that none of them has.
GENERATED = ["egeunet", "lmsaunet", "malunet"]
GENERATED += ["transunet_small", "ucmnet", "ultralight_vm_unet", "unext_s"]
NIGHTLY = (pytest.mark.slow, pytest.mark.nightly)
EXPORTED = [pytest.param(name, marks=NIGHTLY if name in VARIANTS else ()) for name in NETWORKS]
# Of the large networks the matrix takes narrow ones. The full ones are in test_peers_*.py and in
# test_segnet_transunet.py.
SEGNET = {"channels": (8, 8, 16, 16, 16)}
TRANSUNET = {"channels": 64, "depth": 1, "mlp_dim": 16, "img_size": 64}
FIVE_LEVELS = {"channels": (16, 8, 8, 16, 16)}
UTNETV2 = {"channels": 4, "fusion_dim": 32, "fusion_depth": 1}
CMUNEXT = {"channels": (8, 8, 16, 16, 24)}
NARROW = {
    "attention_unet": FIVE_LEVELS,
    "bisenet": {"spatial_channels": (4, 8), "width": 4},
    "cmunext": CMUNEXT,
    "cmunext_l": CMUNEXT,
    "deeplabv3": {"layers": (1, 1, 2, 2), "width": 4, "decoder_channels": 16},
    "sanet": {"layers": (1, 2, 1, 1), "width": 8, "decoder_channels": 16},
    "segnet": SEGNET,
    "segnet_ecdf": SEGNET,
    "transfuse_s": {"width": 16, "dim": 16, "depth": 2, "num_heads": 2, "img_size": (64, 48)},
    "transunet_small": TRANSUNET,
    "transunet_small_ecdf": TRANSUNET,
    "unet_1024": FIVE_LEVELS,
    "unetpp": FIVE_LEVELS,
    "utnetv2": UTNETV2,
    "utnetv2_small": UTNETV2,
}
sides = st.integers(32, 75)


def create(name, **arguments):
    return skinseg.create_model(name, **{**NARROW.get(name, {}), **arguments})


def check(name, height, width, in_chans, classes, train):
    # A narrow network's last ReLU may by chance let nothing pass: not in one run and not the next.
    torch.manual_seed(0)
    network = create(name, in_chans=in_chans, num_classes=classes).train(train)
    x = torch.randn(2, in_chans, height, width, requires_grad=True)
    logits = network(x)
    assert logits.shape == (2, classes, height, width)
    assert logits.isfinite().all()
    logits.square().sum().backward()
    assert x.grad.isfinite().all() and x.grad.any()


anything = given(
    height=sides,
    width=sides,
    in_chans=st.integers(1, 5),
    classes=st.integers(1, 4),
    train=st.booleans(),
)


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=6, deadline=None, derandomize=True)
@anything
def test_any_size_channels_and_classes(name, **arguments):
    check(name, **arguments)


@pytest.mark.parametrize("name", ABLATIONS)
@settings(max_examples=2, deadline=None, derandomize=True)
@anything
def test_ablations_at_any_size_channels_and_classes(name, **arguments):
    check(name, **arguments)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_weight_learns(name):
    network = create(name)
    logits, aux = network(torch.randn(2, 3, 64, 64), return_aux=True)
    sum(output.square().sum() for output in [logits, *aux]).backward()
    learning = {key: x for key, x in network.named_parameters() if x.requires_grad}
    idle = [key for key, weight in learning.items() if weight.grad is None]
    assert not idle


@pytest.mark.parametrize("name", FAMILIES)
def test_logits_are_enlarged_as_the_family_says(name):
    network = create(name).eval()
    x = torch.randn(1, 3, 51, 71)  # Odd, so that no decoder ends at that size.
    small = network.head(network.decode(network.encoder(x))[0])
    options = {"mode": "bilinear", "align_corners": network.align_corners}
    torch.testing.assert_close(
        network(x), torch.nn.functional.interpolate(small, (51, 71), **options)
    )


def test_auxiliary_outputs_come_coarsest_first():
    network, small = create("egeunet").eval(), []
    for head in network.aux_heads:
        head.register_forward_hook(lambda module, args, output: small.append(output))
    _, aux = network(torch.randn(1, 3, 64, 80), return_aux=True)
    assert [output.shape[-1] for output in small] == [2, 5, 10, 20, 40]
    for output, enlarged in zip(small, aux, strict=True):
        torch.testing.assert_close(enlarged[..., 0, 0], output[..., 0, 0])
        torch.testing.assert_close(enlarged[..., -1, -1], output[..., -1, -1])


@pytest.mark.parametrize("name", FAMILIES)
def test_auxiliary_logits_are_full_size_and_leave_the_output_alone(name):
    network = create(name, num_classes=2).eval()
    x = torch.randn(1, 3, 64, 80)
    logits, aux = network(x, return_aux=True)
    assert torch.equal(logits, network(x))
    assert len(aux) == network.num_aux
    assert all(output.shape in {(1, 1, 64, 80), (1, 2, 64, 80)} for output in aux)


@pytest.mark.parametrize("name", NETWORKS)
def test_config_is_json_and_builds_the_network_again(name):
    network = create(name, num_classes=3, in_chans=2)
    arguments = json.loads(json.dumps(network.config))
    again = type(network)(**arguments)
    assert {k: v.shape for k, v in again.state_dict().items()} == {
        k: v.shape for k, v in network.state_dict().items()
    }


@pytest.mark.parametrize("name", FAMILIES)
def test_reset_classifier(name):
    network = create(name).double().eval()
    network.reset_classifier(4)
    assert network(torch.randn(1, 3, 32, 32).double()).shape == (1, 4, 32, 32)
    assert network.num_classes == network.config["num_classes"] == 4


@pytest.mark.parametrize("name", FAMILIES)
def test_the_classifier_is_what_gives_the_logits(name):
    network = create(name)
    network.reset_classifier(5, "")
    assert network.get_classifier() is network.head
    seen = []
    network.get_classifier().register_forward_hook(lambda *given: seen.append(given[2].shape[1]))
    network.eval()(torch.randn(1, 3, 64, 64))
    assert seen == [5]


@pytest.mark.parametrize("attribute", ["num_features", "get_classifier"])
def test_what_an_ensemble_has_not_is_said(attribute):
    network = skinseg.models.Ensemble("egeunet", members=2)
    with pytest.raises(NotImplementedError, match=r"ensemble has no .*; ask one of its members"):
        operator.attrgetter(attribute)(network)()


@pytest.mark.parametrize("name", ["malunet", "ensemble"])
def test_a_head_that_cannot_be_is_refused_and_nothing_changed(name):
    network = skinseg.create_model(name)
    with pytest.raises(ValueError, match=r"does not pool .* must be None or '', not 'avg'"):
        network.reset_classifier(2, "avg")
    with pytest.raises(TypeError, match="num_classes must be a whole number, not True"):
        network.reset_classifier(True)
    with pytest.raises(ValueError, match="num_classes must be at least 1, not 0"):
        network.reset_classifier(0)
    assert network.num_classes == 1
    assert network.eval()(torch.randn(1, 3, 64, 64)).shape[1] == 1


@pytest.mark.parametrize("name", NETWORKS)
def test_features_only(name):
    encoder = create(name, features_only=True, out_indices=(0, 2, -1))
    maps = encoder(torch.randn(1, 3, 64, 96))
    assert [m.shape[1] for m in maps] == encoder.feature_info.channels()
    assert [64 // m.shape[2] for m in maps] == encoder.feature_info.reduction()
    whole = create(name)
    assert whole.forward_features(torch.randn(1, 3, 64, 96)).shape == maps[-1].shape


def test_out_indices_as_a_number_are_the_deepest_maps():
    whole = skinseg.create_model("malunet", features_only=True)
    last = skinseg.create_model("malunet", features_only=True, out_indices=3)
    assert last.out_indices == (3, 4, 5)
    assert last.feature_info.channels() == whole.feature_info.channels()[-3:] == [32, 48, 64]
    for wrong in (0, 7, -1):
        with pytest.raises(ValueError, match=f"out_indices={wrong} asks for so many"):
            skinseg.create_model("malunet", features_only=True, out_indices=wrong)
    for wrong in (True, "3", 1.5, [1.5]):
        with pytest.raises(TypeError, match="must be a number or several, not "):
            skinseg.create_model("malunet", features_only=True, out_indices=wrong)


@pytest.mark.parametrize("asked", [np.int64(2), np.array([4, 5]), iter([4, -1])])
def test_out_indices_may_be_numpys_and_of_any_iterable(asked):
    encoder = skinseg.create_model("malunet", features_only=True, out_indices=asked)
    assert repr(encoder.out_indices) == "(4, 5)"


def test_feature_info_with_an_index_tells_of_any_map():
    pyramid = skinseg.create_model("malunet", features_only=True, out_indices=(1, 3))
    whole = skinseg.create_model("malunet").feature_info
    info = pyramid.feature_info
    assert (info.out_indices, info.channels(), info.reduction()) == ((1, 3), [16, 32], [4, 16])
    assert [info.channels(index) for index in range(len(info))] == whole.channels()
    assert (info.reduction(np.int64(0)), info.reduction([0, -1])) == (2, [2, 32])
    assert info.module_name(1) == info[1]["module"] == whole.module_name()[1]
    assert info.get_dicts() == [info[1], info[3]]


def test_a_pyramid_knows_what_its_network_knew():
    network = skinseg.create_model("malunet", pretrained=True)
    pyramid = skinseg.create_model("malunet", pretrained=True, features_only=True)
    assert pyramid.default_cfg == pyramid.pretrained_cfg == network.pretrained_cfg
    gray = skinseg.create_model("malunet", pretrained=True, features_only=True, in_chans=1)
    transform = skinseg.create_transform(gray)
    assert (transform.input_size, transform.in_chans) == ((128, 128), 1)
    assert len(gray(torch.zeros(1, 1, 64, 64))) == 6


@pytest.mark.parametrize("name", ["malunet", "lmsaunet"])  # without and with BatchNorm
def test_a_pyramid_computes_again_and_changes_nothing(name):
    torch.manual_seed(0)
    pyramid = skinseg.create_model(name, features_only=True)
    again, calls = copy.deepcopy(pyramid), []
    again.set_grad_checkpointing()
    again.encoder.register_forward_pre_hook(lambda *_: calls.append(1))
    x = torch.randn(2, 3, 64, 64)
    for encoder in (pyramid, again):
        sum(m.square().mean() for m in encoder(x)).backward()
    assert len(calls) == 2
    for kept, computed in zip(pyramid.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(kept.grad, computed.grad)
    for kept, computed in zip(pyramid.buffers(), again.buffers(), strict=True):
        torch.testing.assert_close(kept, computed)


@pytest.mark.parametrize("name", FAMILIES)
def test_num_features_are_those_of_the_deepest_map(name):
    network = create(name).eval()
    assert network.forward_features(torch.randn(1, 3, 64, 64)).shape[1] == network.num_features


def step_of(network, x):
    """Gradients, and statistics of BatchNorm, after a step in training mode."""
    torch.manual_seed(1)  # For dropout.
    logits, aux = network(x, return_aux=True)
    sum(output.square().mean() for output in [logits, *aux]).backward()
    gradients = {k: p.grad.clone() for k, p in network.named_parameters() if p.grad is not None}
    return gradients, {k: buffer.clone() for k, buffer in network.named_buffers()}


@pytest.mark.parametrize("name", FAMILIES)
def test_grad_checkpointing_computes_again_and_changes_nothing(name):
    torch.manual_seed(0)
    network, x = create(name).train(), torch.randn(2, 3, 64, 64)
    again, calls = copy.deepcopy(network), []
    again.set_grad_checkpointing()
    first = again.first_conv if isinstance(again.first_conv, str) else again.first_conv[0]
    again.get_submodule(first).register_forward_hook(lambda *_: calls.append(1))
    kept, recomputed = step_of(network, x), step_of(again, x)
    assert len(calls) == 2
    for expected, found in zip(kept, recomputed, strict=True):
        assert expected.keys() == found.keys()
        for key in expected:
            torch.testing.assert_close(found[key], expected[key], msg=key)
    again.set_grad_checkpointing(False)
    again(x).sum().backward()
    assert len(calls) == 3


@pytest.mark.slow
def test_grad_checkpointing_in_a_compiled_network():
    torch.manual_seed(0)
    network, x = create("unext_s").train(), torch.randn(2, 3, 64, 64)
    network.set_grad_checkpointing()
    again = copy.deepcopy(network)
    eager = step_of(network, x)
    torch.compile(again, backend="aot_eager")(x).square().mean().backward()
    compiled = {k: p.grad for k, p in again.named_parameters()}, dict(again.named_buffers())
    for expected, found in zip(eager, compiled, strict=True):
        for key in expected:
            torch.testing.assert_close(found[key], expected[key], msg=key, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_first_conv_is_what_sees_the_input(name):
    shapes = [
        {k: v.shape for k, v in create(name, in_chans=n).state_dict().items()} for n in (3, 5)
    ]
    differ = {key.removesuffix(".weight") for key in shapes[0] if shapes[0][key] != shapes[1][key]}
    first = create(name).first_conv
    assert differ == ({first} if isinstance(first, str) else set(first))


@pytest.mark.parametrize("name", NETWORKS)
def test_feature_info_names_the_modules_that_give_the_maps(name):
    pyramid = create(name, features_only=True).eval()
    seen = {}
    for module in pyramid.feature_info.module_name():
        pyramid.encoder.get_submodule(module).register_forward_hook(
            lambda _, __, output, module=module: seen.update({module: output})
        )
    x = torch.randn(1, 3, 64, 128)
    for entry, found in zip(pyramid.feature_info.get_dicts(), pyramid(x), strict=True):
        assert torch.equal(seen[entry["module"]], found)
        assert found.shape[1] == entry["num_chs"]
        assert found.shape[2:] == (64 // entry["reduction"], 128 // entry["reduction"])


def test_a_subclass_keeps_its_own_forward():
    class Doubled(skinseg.models.BasicUNet):
        def forward(self, x, return_aux=False):
            return 2 * super().forward(x)

    class StillDoubled(Doubled):
        pass

    x = torch.randn(1, 3, 32, 32)
    network = StillDoubled().eval()
    assert torch.equal(network(x), 2 * skinseg.models.BasicUNet.forward(network, x))


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("basic_unet", ""),
        ("malunet", ""),
        ("egeunet", ""),
        ("unext", r"\.embed$|\.depthwise$"),
        ("ucmnet", r"\.(first|second)\.2$"),
    ],
)
def test_convolutions_begin_as_those_of_the_authors(name, places):
    """Normal, of the variance that keeps the gradient's: outputs of loaded weights do not show."""
    torch.manual_seed(0)
    checked = 0
    for place, conv in skinseg.create_model(name).named_modules():
        if not isinstance(conv, torch.nn.Conv2d) or not re.search(places, place):
            continue
        assert conv.bias is None or not conv.bias.any(), place
        expected = math.sqrt(2 / conv.weight[0, 0].numel() / conv.out_channels * conv.groups)
        if conv.weight.numel() >= 500:
            assert conv.weight.std().item() == pytest.approx(expected, rel=0.15), place
            checked += 1
    assert checked >= 2


def test_unet_repeats_the_row_and_column_that_pooling_dropped():
    block = UpBlock(4, 2).eval()
    block.fuse = torch.nn.Identity()
    x, skip = torch.randn(1, 4, 5, 6), torch.randn(1, 2, 11, 13)
    up, joined = block.up(x), block(x, skip)
    assert torch.equal(joined[:, :2, :10, :12], up)
    assert torch.equal(joined[:, :2, 10], joined[:, :2, 9])
    assert torch.equal(joined[:, :2, :, 12], joined[:, :2, :, 11])
    assert torch.equal(joined[:, 2:], skip)


@pytest.mark.parametrize("name", FAMILIES)
def test_one_batch_is_as_good_as_two(name):
    network = create(name).double().eval()
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    apart = torch.cat([network(x[:1]), network(x[1:])])
    torch.testing.assert_close(network(x), apart)


@pytest.mark.parametrize("name", [case for case in EXPORTED if case.values[0] not in MUCMNETS])
def test_torch_export_with_dynamic_shapes(name):
    network = create(name).eval()
    any_size = torch.export.Dim.DYNAMIC
    shapes = {"x": {0: any_size, 2: any_size, 3: any_size}}
    # An exporter takes a size of 1, as UCM-Net's deepest map has it at 64x64, for a constant.
    exported = torch.export.export(network, (torch.randn(2, 3, 96, 160),), dynamic_shapes=shapes)
    x = torch.randn(3, 3, 100, 77)
    torch.testing.assert_close(exported.module()(x), network(x))


@pytest.mark.parametrize("name", EXPORTED)
def test_torch_compile_without_graph_breaks(name):
    torch._dynamo.reset()
    network = create(name).eval()
    x = torch.randn(1, 3, 64, 64)
    compiled = torch.compile(network, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), network(x))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["basic_unet", *(pytest.param(name, marks=pytest.mark.nightly) for name in GENERATED)],
)
def test_torch_compile_with_generated_code(name):
    network = create(name).eval()
    x = torch.randn(1, 3, 64, 64)
    compiled = torch.compile(network, fullgraph=True)
    torch.testing.assert_close(compiled(x), network(x), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "arguments", "parameters"),
    [
        ("malunet", {}, 177_943),
        ("egeunet", {}, 53_374),
        ("egeunet", {"deep_supervision": False}, 52_449),
        ("lmsaunet", {"num_classes": 2}, 387_878),
        ("lmsaunet_n8", {"num_classes": 2}, 476_738),
        ("lmsaunet", {"num_classes": 2, "compression": 2}, 832_178),
        ("lmsaunet", {"num_classes": 2, "compression": 4}, 595_218),
        ("lmsaunet", {"num_classes": 2, "compression": 16}, 417_498),
    ],
)
def test_published_parameter_counts(name, arguments, parameters):
    network = skinseg.create_model(name, **arguments)
    assert sum(p.numel() for p in network.parameters()) == parameters


def test_egeunet_without_deep_supervision():
    network = skinseg.create_model("egeunet", deep_supervision=False)
    logits, aux = network(torch.randn(1, 3, 64, 64), return_aux=True)
    assert logits.shape == (1, 1, 64, 64) and aux == []


@pytest.mark.parametrize(
    ("x", "error", "says"),
    [
        (torch.zeros(3, 64, 64), ValueError, r"4 dimensions .* not 3"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), TypeError, "uint8"),
        ([[1.0]], TypeError, "not list"),
        (torch.zeros(1, 4, 64, 64), ValueError, "4 channels .* takes 3"),
        (torch.zeros(1, 3, 31, 64), ValueError, "31x64 .* at least 32x32"),
        (torch.zeros(1, 3, 64, 16), ValueError, "64x16 .* at least 32x32"),
    ],
)
def test_input_that_cannot_be_segmented(x, error, says):
    for features_only in (False, True):
        with pytest.raises(error, match=says):
            skinseg.create_model("basic_unet", features_only=features_only)(x)


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("malunet", {"num_classes": 0}, "num_classes must be at least 1, not 0"),
        ("malunet", {"channels": (8, 16)}, "six widths"),
        ("lmsaunet", {"channels": (8, 16)}, "four widths"),
        ("lmsaunet", {"compression": 7}, "even number from 2 to 32"),
    ],
)
def test_impossible_arguments(name, arguments, says):
    with pytest.raises(ValueError, match=says):
        skinseg.create_model(name, **arguments)


@pytest.mark.parametrize("number", ["3", True, 2.5])
@pytest.mark.parametrize("name", ["in_chans", "num_classes"])
def test_channels_are_whole_numbers(name, number):
    with pytest.raises(TypeError, match=f"{name} must be a whole number, not {number!r}"):
        skinseg.create_model("malunet", **{name: number})
    with pytest.raises(TypeError, match=f"{name} must be a whole number, not {number!r}"):
        skinseg.models.MALUNet(**{name: number})


@pytest.mark.parametrize("make", [skinseg.models.MALUNet, partial(skinseg.create_model, "malunet")])
def test_channels_of_numpy_are_recorded_as_pythons(make):
    network = make(num_classes=np.int64(2), in_chans=np.uint8(1))
    assert json.loads(json.dumps(network.config)) == network.config
    assert (network.num_classes, network.in_chans) == (2, 1)
    network.reset_classifier(np.int64(4))
    assert json.loads(json.dumps(network.config))["num_classes"] == network.head.out_channels == 4


def test_none_is_the_default_of_channels_alone():
    network = skinseg.create_model("malunet", num_classes=None, in_chans=None, bridge=None)
    assert (network.num_classes, network.in_chans, network.bridge) == (1, 3, None)
