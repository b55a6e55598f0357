import copy
import inspect
import io

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from skinseg import create_block, list_blocks
from skinseg.blocks import BLOCKS
from skinseg.blocks.ea import ExternalAttention

channels = st.integers(4, 40)
sides = st.integers(2, 19)
SINGLE_MAP = [
    "cmrf",
    "cmunext",
    "dga",
    "ea",
    "ecdf",
    "ghpa",
    "gsa",
    "iea",
    "mamba",
    "mkir",
    "mucm",
    "pvm",
    "shifted_mlp",
    "ucm",
]
BRIDGES = ["cab", "sab", "scab"]
few = settings(max_examples=12, deadline=None, derandomize=True)


def check(outputs, inputs, shapes):
    assert [tuple(y.shape) for y in outputs] == shapes
    assert all(y.isfinite().all() for y in outputs)
    sum(y.square().sum() for y in outputs).backward()
    assert all(x.grad.isfinite().all() and x.grad.any() for x in inputs)


def feature_map(*shape):
    return torch.randn(shape, requires_grad=True)


def test_every_block_is_tested_here():
    assert sorted([*SINGLE_MAP, *BRIDGES, "gab"]) == list_blocks()


@pytest.mark.parametrize("name", SINGLE_MAP)
@few
@given(in_chans=channels, out_chans=st.none() | channels, h=sides, w=sides, train=st.booleans())
def test_single_map_blocks(name, in_chans, out_chans, h, w, train):
    block = create_block(name, in_chans, out_chans).train(train)
    x = feature_map(2, in_chans, h, w)
    check([block(x)], [x], [(2, out_chans or in_chans, h, w)])


@pytest.mark.parametrize("name", BRIDGES)
@few
@given(widths=st.lists(channels, min_size=1, max_size=4), h=sides, w=sides)
def test_bridges_over_several_maps(name, widths, h, w):
    maps = [feature_map(2, width, h + i, w + 2 * i) for i, width in enumerate(widths)]
    check(create_block(name, widths)(maps), maps, [tuple(x.shape) for x in maps])


@pytest.mark.parametrize("name", BRIDGES)
def test_a_bridge_on_one_map_is_a_block(name):
    x = feature_map(2, 16, 8, 9)
    check([create_block(name, 16)(x)], [x], [(2, 16, 8, 9)])


@pytest.mark.parametrize("mask", [True, False])
@few
@given(high=channels, low=channels, h=sides, w=sides)
def test_gab(mask, high, low, h, w):
    inputs = [feature_map(2, high, h, w), feature_map(2, low, 2 * h + 1, 2 * w)]
    if mask:
        inputs.append(feature_map(2, 1, 2 * h + 1, 2 * w))
    check(
        [create_block("gab", high, low, mask=mask)(*inputs)], inputs, [(2, low, 2 * h + 1, 2 * w)]
    )


@pytest.mark.parametrize("compression", range(2, 33, 2))
@pytest.mark.parametrize("attention", [True, False])
def test_ecdf_compression_factors(compression, attention):
    block = create_block("ecdf", 16, 64, compression=compression, attention=attention)
    assert len(block.cascade) == (compression - 2) // 2
    assert block(torch.randn(2, 16, 5, 6)).shape == (2, 64, 5, 6)


def test_cmrf_equation():
    block = create_block("cmrf", 8, 32, compression=4).eval()
    assert len(block.cascade) == 3
    x = torch.randn(2, 8, 5, 6)
    even, odd = block.compress(x).unflatten(1, (4, 2)).unbind(2)
    first = block.cascade[0](odd)
    second = block.cascade[1](first)
    maps = [even + odd, first, second, block.cascade[2](second)]
    torch.testing.assert_close(block(x), block.expand(torch.cat(maps, dim=1)))


def test_mkir_equation():
    block = create_block("mkir", 4, 6, kernel_sizes=(1, 3)).eval()
    x = torch.randn(2, 4, 5, 6)
    hidden = block.expand(x)
    mixed = nn.functional.channel_shuffle(sum(conv(hidden) for conv in block.depthwise), 2)
    torch.testing.assert_close(block(x), block.shortcut(x) + block.reduce(mixed))


def test_ecdf_is_residual_only_where_the_width_stays():
    assert create_block("ecdf", 32).residual
    assert not create_block("ecdf", 32, 64).residual


def test_ecdf_averages_statistics_as_the_authors():
    """Which outputs in evaluation mode do not show."""
    norms = [m for m in create_block("ecdf", 8, 16).modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms and all((norm.momentum, norm.eps) == (0.03, 1e-3) for norm in norms)


def test_cab_heads_are_the_same_function():
    linear, conv = (create_block("cab", [8, 16], heads=heads) for heads in ("linear", "conv"))
    conv.load_state_dict(
        {
            key: value.reshape(conv.state_dict()[key].shape)
            for key, value in linear.state_dict().items()
        }
    )
    maps = [torch.randn(1, 8, 4, 4), torch.randn(1, 16, 2, 2)]
    for a, b in zip(linear(maps), conv(maps), strict=True):
        torch.testing.assert_close(a, b)


def test_bridge_orders_differ():
    torch.manual_seed(0)
    one = create_block("scab", 8)
    other = create_block("scab", 8, order="cab-sab")
    other.load_state_dict(one.state_dict())
    x = torch.randn(1, 8, 6, 6)
    assert not torch.allclose(one(x), other(x))


def test_scab_equations():
    block = create_block("scab", 8)
    x = torch.randn(1, 8, 6, 6)
    s = x * block.sab.gate(x)
    u = s + x
    v = block.cab([u])[0] - u
    torch.testing.assert_close(block(x), v + s)


def test_dga_dilations_in_channel_order():
    block = create_block("dga", 16)
    assert [conv.dilation[0] for conv in block.dilated] == [7, 5, 2, 1]


def test_ucm_equation():
    block = create_block("ucm", 8)
    x = torch.randn(2, 8, 5, 6)
    n = nn.functional.layer_norm(x.movedim(1, -1), (8,)).movedim(-1, 1)
    for part in (block.first, block.second):
        nn.init.normal_(part[0].weight)
    first, second = (
        lambda x, part=part: part[2](nn.functional.layer_norm(part[0](x), x.shape[-2:]))
        for part in (block.first, block.second)
    )
    torch.testing.assert_close(block(x), 2 * (n + second(nn.functional.gelu(first(n)))))


def test_no_gradient_flows_through_the_residual_of_ucm():
    block, x = create_block("ucm", 8), feature_map(1, 8, 5, 6)
    nn.init.zeros_(block.second[2].weight)
    block(x).square().sum().backward()
    assert not x.grad.any()


def test_ucm_takes_a_map_of_one_pixel():
    block = create_block("ucm", 8).train()
    assert block(torch.randn(1, 8, 1, 1)).isfinite().all()


@pytest.mark.parametrize("name", SINGLE_MAP)
def test_one_image_of_one_position_trains(name):
    block = create_block(name, 8, 12).train()
    block(torch.randn(1, 8, 1, 1)).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in block.parameters())


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_channels_that_are_none_are_refused(name):
    with pytest.raises(ValueError, match="in_chans must be at least 1, not 0"):
        create_block(name, 0)
    with pytest.raises(ValueError, match="in_chans must be at least 1, not -4"):
        BLOCKS[name](-4)
    if name not in BRIDGES:
        with pytest.raises(ValueError, match="out_chans must be at least 1, not 0"):
            create_block(name, 8, 0)
        with pytest.raises(TypeError, match=r"out_chans must be a whole number, not 8\.0"):
            create_block(name, 8, 8.0)


def numeric_options():
    for name, block in sorted(BLOCKS.items()):
        for option, parameter in inspect.signature(block).parameters.items():
            default = parameter.default
            if isinstance(default, int | tuple) and not isinstance(default, bool):
                yield pytest.param(name, option, type(default), id=f"{name}-{option}")
    yield pytest.param("mkir", "hidden_chans", int, id="mkir-hidden_chans")


@pytest.mark.parametrize(("name", "option", "kind"), [*numeric_options()])
def test_options_below_one_are_refused(name, option, kind):
    for value in [(), (0,), (-1, 3)] if kind is tuple else [0, -1]:
        with pytest.raises(ValueError, match=option):
            create_block(name, 16, **{option: value})


@pytest.mark.parametrize(
    ("name", "option"),
    [("sab", "kernel_size"), ("cmunext", "kernel_size"), ("mkir", "kernel_sizes")],
)
def test_kernels_without_a_middle_are_refused(name, option):
    with pytest.raises(ValueError, match=f"{option} must be .*odd"):
        create_block(name, 16, **{option: (3, 4) if option.endswith("s") else 4})


def test_a_class_is_no_name():
    with pytest.raises(TypeError, match=r"name must be one of cab, .*, not <class"):
        create_block(BLOCKS["ecdf"], 8)


@pytest.mark.parametrize("name", ["ecdf", "ghpa"])
@pytest.mark.parametrize("size", [(7, 5), (8, 8)])
def test_any_number_of_images_exports(name, size):
    block = create_block(name, 8, 12).eval()
    batch = {"x": {0: torch.export.Dim("b")}}
    exported = torch.export.export(block, (torch.randn(2, 8, *size),), dynamic_shapes=batch)
    for count in (1, 3):
        x = torch.randn(count, 8, *size)
        torch.testing.assert_close(exported.module()(x), block(x))


@pytest.mark.slow
@pytest.mark.parametrize("dynamo", [True, False])
@pytest.mark.parametrize("name", ["ecdf", "ghpa"])
def test_onnx_of_odd_sizes(name, dynamo):
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    block = create_block(name, 8, 12).eval()
    file = io.BytesIO()
    dynamic = (
        {"dynamic_shapes": {"x": {0: torch.export.Dim("b")}}}
        if dynamo
        else {"dynamic_axes": {"x": {0: "b"}}, "input_names": ["x"]}
    )
    program = torch.onnx.export(
        block, (torch.randn(2, 8, 7, 5),), None if dynamo else file, dynamo=dynamo, **dynamic
    )
    if dynamo:
        program.save(file)
    session = runtime.InferenceSession(file.getvalue())
    for count in (1, 3):
        x = torch.randn(count, 8, 7, 5)
        (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        torch.testing.assert_close(torch.from_numpy(found), block(x), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_external_attention_in_half_precision():
    """Positions that no key recalls are zero by zero there, unless what is added is larger."""
    block = ExternalAttention(8).eval()
    x = 200 * torch.randn(1, 8, 12, 12)
    assert copy.deepcopy(block).half()(x.half()).isfinite().all()
    with torch.autocast("cpu", torch.float16):
        assert block(x).isfinite().all()


def test_ghpa_branches_of_the_learned_tensors_do_not_see_the_image():
    block = create_block("ghpa", 16)
    assert block.height(9).shape == (1, 4, 9) and block.plane((5, 7)).shape == (1, 4, 5, 7)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: create_block("dgaa", 8), ValueError, "no block 'dgaa'; did you mean dga"),
        (lambda: create_block("dga", 3), ValueError, "3 channels cannot be split into 4"),
        (lambda: create_block("dga", 8, 8, dilation=3), TypeError, "dilation"),
        (lambda: create_block("ecdf", 8, compression=5), ValueError, "not 5"),
        (lambda: create_block("cmrf", 8, compression=1), ValueError, "2 to 32, not 1"),
        (lambda: create_block("cmunext", 8, kernel_size=4), ValueError, "odd number.* not 4"),
        (lambda: create_block("cmunext", 8, depth=0), ValueError, "at least 1, not 0"),
        (lambda: create_block("mamba", 9, groups=2), ValueError, "divide the 9 channels, not be 2"),
        (lambda: create_block("mkir", 8, kernel_sizes=(3, 4)), ValueError, r"odd.* \(3, 4\)"),
        (lambda: create_block("mkir", 8, 9, project=False), ValueError, "8 .* to 9 unprojected"),
        (lambda: create_block("cab", [8], heads="mlp"), ValueError, "not 'mlp'"),
        (lambda: create_block("scab", [8], order="cab"), ValueError, "not 'cab'"),
        (
            lambda: create_block("cab", [8, 8])([torch.zeros(1, 8, 2, 2)]),
            ValueError,
            "made for 2 feature maps and got 1",
        ),
        (
            lambda: create_block("gab", 8)(torch.zeros(1, 8, 2, 2), torch.zeros(1, 8, 4, 4)),
            ValueError,
            "needs the mask",
        ),
    ],
)
def test_misuse(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_ecdf_predicts_as_it_learned():
    torch.manual_seed(0)
    block = create_block("ecdf", 16, 64, compression=8)
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # remember this batch alone
    # Even and odd channels that are nothing alike.
    x = torch.randn(4, 16, 24, 24)
    with torch.no_grad():
        block.compress.norm.bias[0::2] += 5
        learned = block.train()(x)
        predicted = block.eval()(x)
    assert (learned - predicted).abs().max() < 0.01 * learned.abs().max()
