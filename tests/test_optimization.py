"""The fast form of a network: equal logits, the published network untouched."""

import copy
import pickle
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from filling import fill
from test_models import VARIANTS
from torch import nn

import skinseg
from skinseg.blocks.ecdf import ECDF
from skinseg.blocks.gab import GroupAggregationBridge
from skinseg.blocks.ghpa import AxisWeights
from skinseg.blocks.instance_norm import InstanceNorm2d
from skinseg.blocks.layer_norm import LayerNorm2d
from skinseg.errors import OptimizationError
from skinseg.optimization import derive, optimize, optimized
from skinseg.optimization.forms import FORMS
from skinseg.optimization.graph import trace
from skinseg.optimization.optimized import check_equal
from skinseg.optimization.rules.depthwise import join_depthwise
from skinseg.optimization.rules.gating import multiply_gates_apart, narrow_before_gating
from skinseg.optimization.rules.narrowing import narrow_before_enlarging
from skinseg.optimization.rules.pooling import pool_before_affine, pool_before_norm

SHIPPED = ["basic_unet", "egeunet", "lmsaunet", "malunet"]


def operators(module):
    return [str(node.target) for node in module.graph.nodes if node.op == "call_function"]


def same(a, b, tolerance=1e-5):
    torch.testing.assert_close(a, b, atol=tolerance * max(1, float(b.abs().max())), rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_networks_give_equal_logits_for_any_batch_and_size(name):
    network = skinseg.create_model(name, pretrained=True).eval()
    fast = optimize(network, (64, 96))
    for batch, size in ((1, (64, 96)), (3, (64, 96)), (2, (50, 71))):
        x = torch.rand(batch, 3, *size)
        exact = copy.deepcopy(network).double()(x.double())
        rounding = (network(x) - exact).abs().max()
        assert (fast(x) - exact).abs().max() <= max(1e-5 * exact.abs().max(), 4 * rounding)


@torch.no_grad()
@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.nightly if name in VARIANTS else ())
        for name in skinseg.list_models()
    ],
)
def test_every_network_has_a_fast_form(name):
    if name == "segnet":
        pytest.skip("its unpooling follows the place of a maximum, which rounding may move")
    torch.manual_seed(0)
    optimize(skinseg.create_model(name), (64, 96))  # compares, and raises


@torch.no_grad()
@pytest.mark.parametrize(
    ("block", "inputs"),
    [
        (ECDF(6, 16, compression=4), [(2, 6, 9, 7)]),
        (ECDF(16, 16, compression=8, attention=False), [(1, 16, 8, 8)]),
        (GroupAggregationBridge(12, 10), [(2, 12, 4, 5), (2, 10, 9, 9), (2, 1, 9, 9)]),
        (GroupAggregationBridge(8, mask=False), [(1, 8, 5, 5), (1, 8, 9, 9)]),
        (LayerNorm2d(5), [(2, 5, 4, 3)]),
        (InstanceNorm2d(4), [(2, 4, 6, 5)]),
    ],
)
def test_a_form_is_the_block(block, inputs):
    fill(block.eval())
    maps = [torch.randn(shape) for shape in inputs]
    same(FORMS[type(block)](copy.deepcopy(block))(*maps), block(*maps))


@torch.no_grad()
@pytest.mark.parametrize("length", [1, 2, 8, 21])
def test_weights_along_an_axis_may_have_one_position(length):
    weights = fill(AxisWeights(3, 8))
    same(FORMS[AxisWeights](copy.deepcopy(weights))(length), weights(length))


class Small(nn.Module):
    """Layers, one after the other, for which a single rule is tried."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x)


class Gated(nn.Module):
    """A map with a gate for each channel and one for each position, narrowed."""

    def __init__(self, by_channel):
        super().__init__()
        self.by_channel = by_channel
        self.narrow = nn.Conv2d(12, 3, 1)

    def forward(self, x):
        gate = x.amax(1, keepdim=True).sigmoid()
        if self.by_channel:
            gate = gate + x.mean((2, 3), keepdim=True).sigmoid()
        return self.narrow(x * gate)


class Dilated(nn.Module):
    """Depthwise convolutions of the groups of a map."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(3, 3, size, padding=d * (size // 2), dilation=d, groups=3)
            for size, d in ((3, 5), (3, 1), (5, 2), (3, 2))
        )

    def forward(self, x):
        parts = x.split([3, 3, 3, 3], dim=1)
        return torch.cat([conv(x) for conv, x in zip(self.convs, parts, strict=True)], dim=1)


class Joined(nn.Module):
    """A skip and an enlarged deeper map, narrowed together."""

    def __init__(self):
        super().__init__()
        self.narrow = nn.Conv2d(24, 4, 1)

    def forward(self, x):
        deep = nn.functional.avg_pool2d(x, 2)
        up = nn.functional.interpolate(deep, x.shape[2:], mode="bicubic")
        return self.narrow(torch.cat([up, x], dim=1))


def negative_scales():
    norm = nn.GroupNorm(4, 12)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return Small(nn.Conv2d(12, 12, 3), norm, nn.MaxPool2d(2))


@torch.no_grad()
@pytest.mark.parametrize(
    ("model", "rule", "gone"),
    [
        (Gated(True), narrow_before_gating, "aten.conv2d"),
        (Gated(False), narrow_before_gating, None),
        (Gated(True), multiply_gates_apart, None),
        (Dilated(), join_depthwise, "aten.cat"),
        (Joined(), narrow_before_enlarging, "aten.cat"),
        (negative_scales(), pool_before_norm, "aten.group_norm"),
    ],
    ids=["gates", "gate", "gates apart", "depthwise", "enlarging", "pooling"],
)
def test_a_rule_changes_the_graph_and_not_its_result(model, rule, gone):
    module = trace(model.eval(), (16, 20), 12)
    before = operators(module)
    rule(module)
    module.recompile()
    assert operators(module) != before
    assert gone is None or not any(gone in name for name in operators(module))
    x = 3 * torch.randn(3, 12, 16, 20) + 2
    same(module(x), model(x))


@torch.no_grad()
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_rule_for_gates_finds_those_of_ecdf(layout):
    block = skinseg.create_block("ecdf", 12, compression=4).eval().to(memory_format=layout)
    module = trace(block, (16, 20), 12)
    before = operators(module)
    multiply_gates_apart(module)
    assert operators(module).count("aten.mul.Tensor") == before.count("aten.mul.Tensor") + 1


class Scaled(nn.Module):
    """The pooled maxima of a scaled map."""

    def __init__(self, *scale):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale)[:, None, None])
        self.offset = nn.Parameter(torch.tensor([0.5, -0.5, 2.0])[:, None, None])

    def forward(self, x):
        return nn.functional.max_pool2d(x * self.scale + self.offset, 2)


@torch.no_grad()
@pytest.mark.parametrize(
    ("scale", "pooled_first"), [((0.5, 2.0, 3.0), True), ((0.5, -2.0, 3.0), False)]
)
def test_pooling_goes_before_scales_that_keep_the_order(scale, pooled_first):
    model = Scaled(*scale).eval()
    module = trace(model, (16, 20), 3)
    pool_before_affine(module)
    module.recompile()
    steps = [name for name in operators(module) if "pool" in name or "mul" in name]
    assert ("pool" in steps[0]) == pooled_first
    x = torch.randn(2, 3, 16, 20)
    assert torch.equal(module(x), model(x))


def test_what_does_not_depend_on_the_image_is_computed_once():
    network = skinseg.create_model("egeunet").eval()
    names = operators(derive(network, (64, 64)))
    assert not any("linear1d" in name or "batch_norm" in name for name in names)
    assert len(names) < len(operators(trace(network, (64, 64), 3))) / 2


def test_the_network_itself_is_not_changed():
    network = skinseg.create_model("malunet").train()
    before = copy.deepcopy(network.state_dict())
    optimize(network, 32)
    assert network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_it_says_what_it_cannot_do():
    fast = optimize(skinseg.create_model("basic_unet"), 32)
    with pytest.raises(RuntimeError, match="train its `published` network"):
        fast.train()
    with pytest.raises(ValueError, match="at least 32x32"):
        fast(torch.zeros(1, 3, 16, 16))
    with pytest.raises(TypeError, match="not Conv2d"):
        optimize(nn.Conv2d(3, 1, 1))
    with pytest.raises(ValueError, match="32 pixels or more, not -5x-5"):
        optimize(skinseg.create_model("basic_unet"), -5)


def test_a_form_that_differs_is_refused():
    network = skinseg.create_model("basic_unet").eval()
    with pytest.raises(OptimizationError, match="64x64 images differs"):
        check_equal(lambda x: network(x) * 1.001, network, (64, 64))


def test_rounding_of_torchs_own_layout_is_no_difference():
    # Channels-last, LB-UNet's group normalization rounds ten times as much as otherwise.
    optimize(skinseg.create_model("lbunet", pretrained=True), 256)


def test_forms_of_the_last_sizes_are_kept(monkeypatch):
    fast = optimize(skinseg.create_model("basic_unet"), 32, verify=False)
    first = fast.prepare((32, 32))
    assert fast.prepare((32, 32)) is first
    for side in (33, 34, 35, 36):
        fast.prepare((side, side))
    assert fast.prepare((32, 32)) is not first


def test_threads_derive_a_form_once(monkeypatch):
    derived = []

    def slow_derive(*arguments):
        derived.append(arguments)
        time.sleep(0.1)
        return derive(*arguments)

    monkeypatch.setattr(optimized, "derive", slow_derive)
    fast = optimize(skinseg.create_model("basic_unet"), 32, verify=False)
    with ThreadPoolExecutor(4) as pool:
        functions = list(pool.map(fast.prepare, [(32, 32), (40, 40)] * 4))
    assert len(derived) == 2
    assert len(set(functions)) == 2


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda fast: pickle.loads(pickle.dumps(fast))])
def test_a_copy_derives_its_forms_again(copied):
    fast = optimize(skinseg.create_model("basic_unet"), 32)
    x = torch.randn(1, 3, 32, 32)
    expected = fast(x)
    for parameter in (other := copied(fast)).published.parameters():
        parameter.data.mul_(2)
    assert not torch.equal(other(x), expected)
    assert torch.equal(fast(x), expected)


def test_loaded_weights_are_those_that_it_computes_with():
    one, other = (optimize(skinseg.create_model("basic_unet"), 32) for _ in range(2))
    x = torch.randn(1, 3, 32, 32)
    assert not torch.equal(other(x), one(x))
    copy.deepcopy(other).load_state_dict(one.state_dict())
    assert not torch.equal(other(x), one(x))
    other.load_state_dict(one.state_dict())
    assert torch.equal(other(x), one(x))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_networks_of_another_precision_compute_in_single_precision(dtype):
    network = skinseg.create_model("basic_unet").to(dtype).eval()
    fast = optimize(network, 32)
    x = torch.randn(1, 3, 32, 32)
    same(fast(x), copy.deepcopy(network).float()(x))
    assert fast(x.to(dtype)).dtype == torch.float32
    assert network.head.weight.dtype == dtype
    same(copy.deepcopy(fast).to(dtype)(x), fast(x))


@torch.no_grad()
def test_autocast_makes_nothing_of_it_less_precise():
    network = skinseg.create_model("egeunet", pretrained=True).eval()
    x = torch.rand(2, 3, 32, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        fast = optimize(network, 32)
        inside = fast(x)
    same(inside, network(x))
    assert torch.equal(fast(x), inside)


def test_a_predictor_takes_it_and_makes_it():
    fast = optimize(skinseg.create_model("basic_unet", pretrained=True))
    image, _ = skinseg.data.synthetic_lesion(1, size=96)
    slow = skinseg.Predictor("basic_unet")(image)
    taken = skinseg.Predictor(fast)(image)
    made = skinseg.Predictor("basic_unet", runtime="optimized")
    assert isinstance(made.model, skinseg.optimization.OptimizedModel)
    assert made.name == "basic_unet.isic2017"
    assert np.array_equal(made(image).probability, taken.probability)
    assert np.array_equal(slow.mask, taken.mask)
    with pytest.raises(TypeError, match="not Conv2d"):
        skinseg.Predictor(nn.Conv2d(3, 1, 1), runtime="optimized")


@pytest.mark.parametrize("name", ["lmsaunet", "tinyunet"])
def test_a_decoder_that_trains_narrows_first_to_the_same_end(name):
    network = fill(skinseg.create_model(name, channels=(8, 8, 16, 16))).double()
    x = torch.randn(2, 3, 32, 48).double()
    network.eval()
    with torch.no_grad():
        expected = network(x)
        for module in network.modules():
            module.training = isinstance(module, skinseg.models.SegmentationModel)
        same(network(x), expected, 1e-12)


@pytest.mark.parametrize("width", [6, 20])
def test_layer_norm_trains_to_the_same_end(width):
    norm = fill(LayerNorm2d(width)).double()
    results = []
    for training in (True, False):
        norm.train(training).zero_grad()
        x = torch.randn(2, width, 4, 5, generator=torch.Generator().manual_seed(0)).double()
        output = norm(x.requires_grad_())
        output.square().sum().backward()
        results.append([output.detach(), x.grad, norm.weight.grad.clone(), norm.bias.grad.clone()])
    for one, other in zip(*results, strict=True):
        same(one, other, 1e-12)


@pytest.mark.parametrize("width", [5, 20])
def test_the_gradient_of_layer_norm_can_be_differentiated(width):
    norm = fill(LayerNorm2d(width)).double().train()
    x = torch.randn(2, width, 2, 3, generator=torch.Generator().manual_seed(0)).double()

    def normalized(x, weight, bias):
        return torch.func.functional_call(norm, {"weight": weight, "bias": bias}, (x,))

    inputs = (x.requires_grad_(), *norm.parameters())
    assert torch.autograd.gradcheck(normalized, inputs)
    assert torch.autograd.gradgradcheck(normalized, inputs)


@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_torch_func_gives_the_gradient_of_each_image_through_layer_norm():
    norm = fill(LayerNorm2d(5)).train()
    images = torch.randn(3, 1, 5, 2, 3, generator=torch.Generator().manual_seed(0))
    per_image = torch.func.vmap(torch.func.grad(lambda x: norm(x).square().sum()))(images)
    images.requires_grad_()
    sum(norm(image).square().sum() for image in images).backward()
    same(per_image, images.grad, 1e-5)
