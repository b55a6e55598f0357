"""Surgery on networks that do what a block does not expect: refused, or right when they train."""

import copy
import dataclasses
from collections import OrderedDict, namedtuple

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional as F

from skinseg import surgery
from skinseg.blocks import ECDF, ChannelAttentionBridge, InvertedExternalAttention
from skinseg.surgery import SurgeryError
from skinseg.surgery.trace import trace

X = torch.randn(2, 3, 16, 24, generator=torch.Generator().manual_seed(0))
Maps = namedtuple("Maps", "fine coarse")


def conv(in_chans, out_chans, **options):
    return nn.Conv2d(in_chans, out_chans, 3, **{"padding": 1, **options})


class Function(nn.Module):
    """A network whose forward pass is a function of itself and its input."""

    def __init__(self, forward, **parts):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.function = forward

    def forward(self, *args, **kwargs):
        return self.function(self, *args, **kwargs)


def rows(network, x=X):
    return [site.parts for site in surgery.conv_run()(trace(network, [x]))]


def assert_trains(network, *inputs):
    network.train()(*inputs).square().mean().backward()
    assert not [name for name, p in network.named_parameters() if p.grad is None]


# In place, and in training


class Residual(nn.Module):
    """As residual networks have it: one in-place activation, and a sum written over the map."""

    def __init__(self, channels, act=None):
        super().__init__()
        self.conv1, self.bn1 = conv(channels, channels), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = conv(channels, channels), nn.BatchNorm2d(channels)
        self.act = act or nn.ReLU(inplace=True)

    def forward(self, x):
        out = self.act(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x
        return self.act(out)


class FunctionalResidual(Residual):
    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu_(self.bn2(self.conv2(out)).add_(x))


@pytest.mark.parametrize("kind", [Residual, FunctionalResidual])
@pytest.mark.parametrize("block", ["ecdf", "dga", "iea"])
def test_shared_in_place_activation_between_the_convolutions(kind, block):
    host = nn.Sequential(conv(3, 8), kind(8), kind(8))
    report = surgery.replace(host, surgery.conv_run(), block, example_input=X)
    assert [change.place for change in report.changes] == [
        (f"{i}.conv1", f"{i}.bn1", f"{i}.conv2", f"{i}.bn2") for i in (1, 2)
    ]
    weights = [p for layer in report.model[1:] for p in layer.conv1.parameters()]
    report.model.train()(X).square().mean().backward()
    assert weights and all(p.grad is not None for p in weights)
    assert not report.notes


def test_monai_segresnet_trains_after_surgery():
    nets = pytest.importorskip("monai.networks.nets")
    host = nets.SegResNet(2, 8, in_channels=3, out_channels=1, blocks_down=(1, 1), blocks_up=(1,))
    report = surgery.replace(host, surgery.conv_run(), "ecdf", example_input=X)
    report.model.train()(X).mean().backward()
    assert report.changes and not report.notes


def relu_block(in_chans, out_chans=None):
    return nn.Sequential(nn.Conv2d(in_chans, out_chans or in_chans, 1), nn.Sigmoid())


def test_what_is_written_over_and_has_no_cure_is_refused():
    host = Function(lambda self, x: self.conv(x).mul_(2), conv=conv(3, 8))
    with pytest.raises(SurgeryError, match=r"fails in training.*writes over what a block gave"):
        surgery.replace(host, "conv", relu_block, example_input=X)
    report = surgery.replace(host, "conv", relu_block, example_input=X, check=False)
    assert report.notes == ("not checked: check=False",) and "check=False" in str(report)


def test_checking_leaves_no_trace():
    host = nn.Sequential(conv(3, 8), nn.BatchNorm2d(8), nn.Dropout(0.5)).train()
    before = copy.deepcopy(host.state_dict())
    state = torch.get_rng_state()
    report = surgery.insert(host, lambda c: nn.Identity(), after="0", example_input=X, inplace=True)
    assert torch.equal(torch.get_rng_state(), state)
    assert report.model is host and host[2].training
    assert all(
        torch.equal(host.state_dict()[k.replace("0.", "0.host.")], v)
        for k, v in before.items()
        if k.startswith("0.")
    )
    assert host[1].num_batches_tracked == 0
    assert all(p.grad is None for p in host.parameters())


def test_a_host_that_does_not_train_is_told():
    def fails(self, x):
        if self.training or torch.is_grad_enabled():
            raise RuntimeError("only for prediction")
        return self.conv(x)

    report = surgery.replace(Function(fails, conv=conv(3, 8)), "conv", "ecdf", example_input=X)
    assert report.notes == (
        "not checked in training: without blocks the network fails there, too "
        "(RuntimeError: only for prediction)",
    )


@pytest.mark.parametrize(
    "forward",
    [
        lambda self, x: (self.a(x), self.b(x))[1],
        lambda self, x: self.b(x) + self.a(x).detach(),
        lambda self, x: self.b(x) + torch.zeros_like(self.a(x)),
    ],
)
def test_a_block_that_nobody_uses_is_refused(forward):
    host = Function(forward, a=conv(3, 4), b=conv(3, 4))
    for operation in (
        lambda: surgery.replace(host, "a", "ecdf", example_input=X),
        lambda: surgery.insert(host, "iea", after="a", example_input=X),
    ):
        with pytest.raises(SurgeryError, match="no gradient reaches the block at a"):
            operation()


# Sizes


def test_stride_on_a_map_of_one_position_is_seen():
    host = nn.Sequential(nn.AvgPool2d(16), conv(3, 4, stride=2), nn.Conv2d(4, 4, 1))
    x = torch.randn(1, 3, 16, 16)
    with pytest.raises(SurgeryError, match=r"turns 2x3 into 1x2 \(stride \(2, 2\)"):
        surgery.replace(host, "1", "iea", example_input=x)
    with pytest.raises(SurgeryError, match="selects nothing"):
        surgery.replace(host, surgery.conv_run(1), "ecdf", example_input=x)


@pytest.mark.parametrize(
    "layer", [nn.AdaptiveAvgPool2d((16, 24)), nn.Upsample(size=(16, 24)), nn.AdaptiveMaxPool2d(16)]
)
def test_a_fixed_size_that_agrees_by_chance_is_seen(layer):
    host = nn.Sequential(conv(3, 8), layer, conv(8, 1))
    x = X if not isinstance(layer, nn.AdaptiveMaxPool2d) else X[..., :16]
    with pytest.raises(SurgeryError, match="and a block keeps height and width"):
        surgery.replace(host, "1", "iea", example_input=x)


def one_size(*layers):
    """A network that takes images of 16 x 24 only."""

    def forward(self, x):
        assert x.shape[2:] == (16, 24)
        return self.layers(x)

    return Function(forward, layers=nn.Sequential(*layers))


def test_networks_of_one_size_are_checked_as_far_as_that_goes():
    host = one_size(conv(3, 8), nn.AvgPool2d((16, 24)), conv(8, 8, stride=2), nn.Conv2d(8, 8, 1))
    report = surgery.replace(host, "layers.0", "ecdf", example_input=X)
    assert report.notes == ("not checked at a second size: the network takes this one only",)
    with pytest.raises(SurgeryError, match="Conv2d that changes height and width at other sizes"):
        surgery.replace(host, "layers.2", "iea", example_input=X)
    pooled = one_size(conv(3, 8), nn.AdaptiveAvgPool2d((16, 24)))
    with pytest.raises(SurgeryError, match="AdaptiveAvgPool2d that changes"):
        surgery.replace(pooled, "layers.1", "iea", example_input=X)


def test_a_block_for_one_size_is_refused():
    class Fixed(nn.Module):
        def forward(self, x):
            return F.interpolate(x, size=(16, 24))

    with pytest.raises(SurgeryError, match=r"output changed from \(2, 4, 32, 72\) to"):
        surgery.insert(conv_head(), lambda c: Fixed(), after="0", example_input=X)


def conv_head():
    return nn.Sequential(conv(3, 4), nn.Conv2d(4, 4, 1))


# Layouts


class ChannelsLastStage(nn.Module):
    """Normalization and a perceptron over the last dimension, as in Swin."""

    def __init__(self, channels):
        super().__init__()
        self.norm, self.mlp = nn.LayerNorm(channels), nn.Linear(channels, channels)

    def forward(self, x):
        return x + self.mlp(self.norm(x))


def swin(size=None):
    def forward(self, x):
        assert size is None or x.shape[2:] == size
        x = self.stage(self.stem(x).permute(0, 2, 3, 1))
        return self.head(x.permute(0, 3, 1, 2))

    return Function(forward, stem=conv(3, 8), stage=ChannelsLastStage(8), head=conv(8, 1))


@pytest.mark.parametrize("size", [None, (16, 24), (16, 16)])
def test_channels_last_maps_are_refused_and_wrapped(size):
    host, x = swin(size), X[..., :16] if size == (16, 16) else X
    for operation in (
        lambda **layout: surgery.replace(host, "stage", "iea", example_input=x, **layout),
        lambda **layout: surgery.insert(host, "iea", after="stage", example_input=x, **layout),
        lambda **layout: surgery.insert(host, "iea", before="stage", example_input=x, **layout),
    ):
        with pytest.raises(SurgeryError, match=r'channels last \(B, H, W, C\); layout="NHWC"'):
            operation()
        report = operation(layout="NHWC")
        assert (report.changes[0].in_chans, report.changes[0].new) == (
            8,
            "InvertedExternalAttention",
        )
        assert_trains(report.model, x)


def test_channels_first_maps_are_not_taken_for_channels_last():
    with pytest.raises(SurgeryError, match=r'channels first \(B, C, H, W\); layout="NCHW"'):
        surgery.replace(conv_head(), "1", "iea", example_input=X, layout="NHWC")
    with pytest.raises(ValueError, match=r'"NCHW" or "NHWC", not \'nhwc\''):
        surgery.replace(conv_head(), "1", "iea", example_input=X, layout="nhwc")


def test_a_wrapped_block_sees_channels_first():
    net = surgery.insert(swin(), "iea", after="stage", example_input=X, layout="NHWC").model.eval()
    x = torch.randn(2, 5, 7, 8)
    after = net.stage
    expected = after.block.block(after.host(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    torch.testing.assert_close(after(x), expected)


# Copies and processes


@pytest.fixture
def process_group():
    if not dist.is_available():
        pytest.skip("torch without distributed")
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_distributed_networks_are_refused(process_group):
    host = nn.parallel.DistributedDataParallel(conv_head())
    with pytest.raises(SurgeryError, match=r"the network is spread over processes \(Distributed"):
        surgery.replace(host, "module.1", "ecdf", example_input=X)
    with pytest.raises(SurgeryError, match=r"0 is spread over processes \(Distributed"):
        surgery.insert(nn.Sequential(host), "iea", after="0", example_input=X, inplace=True)


def test_sharded_networks_are_refused(process_group):
    fsdp = pytest.importorskip("torch.distributed.fsdp")
    mesh = pytest.importorskip("torch.distributed.device_mesh")
    host = conv_head()
    fsdp.fully_shard(host, mesh=mesh.init_device_mesh("cpu", (1,)))
    with pytest.raises(SurgeryError, match=r"spread over processes \(FSDPModule"):
        surgery.replace(host, "1", "ecdf", example_input=X)


def test_a_copy_that_shares_weights_through_a_closure_is_refused():
    host = nn.Sequential(conv(3, 4), nn.Identity(), conv(4, 1))
    first = host[0]
    host[1].forward = lambda x: x + F.conv2d(x[:, :3], first.weight, padding=1)
    with pytest.raises(SurgeryError, match=r"closes over a module of it; inplace=True"):
        surgery.replace(host, "2", "iea", example_input=X)
    assert surgery.replace(host, "2", "iea", example_input=X, inplace=True).model is host


def test_a_network_that_cannot_be_copied_is_refused():
    host = conv_head()
    host.source = (index for index in range(3))
    with pytest.raises(SurgeryError, match=r"cannot be copied \(TypeError: .*; inplace=True"):
        surgery.replace(host, "1", "iea", example_input=X)
    surgery.replace(host, "1", "iea", example_input=X, inplace=True, check=False)


# Between two convolutions


def written(self, x):
    y = self.a(x)
    y[:, :2] = 0
    return self.b(y)


def kept(self, x):
    y = self.a(x)
    self.middle = [y]
    return self.b(F.relu(y))


def read(self, x):
    y = self.a(x)
    return self.b(y) * y.mean().item()


@pytest.mark.parametrize("forward", [written, kept, read])
def test_a_map_that_has_another_use_makes_no_row(forward):
    assert rows(Function(forward, a=conv(3, 4), b=conv(4, 4))) == []


@pytest.mark.parametrize("hooked", ["inner", "inner.a", "inner.act", "b"])
def test_hooks_are_not_lost(hooked):
    inner = nn.Sequential(OrderedDict(a=conv(3, 4), act=nn.ReLU()))
    host = nn.Sequential(OrderedDict(inner=inner, b=conv(4, 4)))
    assert rows(host) == [("inner", "b")]
    handle = host.get_submodule(hooked).register_forward_hook(lambda *_: None)
    assert rows(host) == []
    with pytest.raises(SurgeryError, match=f"{hooked} has a hook that would be lost"):
        surgery.replace(host, hooked, "ecdf", example_input=X)
    handle.remove()
    assert rows(host) == [("inner", "b")]


@pytest.mark.parametrize("gate", [nn.Sigmoid(), nn.Softmax(1), nn.Tanh(), nn.Hardsigmoid()])
def test_gates_are_no_part_of_a_row(gate):
    assert rows(nn.Sequential(conv(3, 4), nn.ReLU(), conv(4, 4), gate)) == [("0", "1", "2")]
    assert rows(nn.Sequential(conv(3, 4), gate, conv(4, 4))) == []


def test_activations_like_relu_are():
    for act in (nn.PReLU(), nn.SiLU(), nn.Hardswish(), nn.GELU(), nn.LeakyReLU(0.1)):
        assert rows(nn.Sequential(conv(3, 4), act, conv(4, 4), act.__class__())) == [
            ("0", "1", "2", "3")
        ]


# Selections


def test_overlapping_selections_are_one_place():
    host = nn.Sequential(conv(3, 4), conv(4, 4), conv(4, 4), nn.Sequential(conv(4, 4)))
    either = surgery.conv_run(3) | surgery.conv_run(2) | surgery.by_name("0", "1", "3", "3.0")
    report = surgery.replace(host, either, "ecdf", example_input=X)
    assert [change.place for change in report.changes] == [("0", "1", "2"), ("3",)]


def test_a_row_that_holds_a_place_of_earlier_name_is_one_place():
    # The module that runs second has the earlier name.
    host = Function(lambda self, x: self.b(self.a.c(x)), b=conv(4, 4), a=nn.Module())
    host.a.add_module("c", conv(3, 4))
    either = surgery.conv_run() | surgery.by_name("b")
    assert [site.parts for site in either(trace(host, [X]))] == [("a.c", "b")]


def test_a_module_is_among_its_parts():
    inner = nn.Sequential(conv(3, 4), nn.ReLU(), conv(4, 4))
    host = nn.Sequential(OrderedDict(bottleneck=inner, head=nn.Conv2d(4, 1, 1)))
    for patterns, expected in (
        (["bottleneck.**"], [("bottleneck",)]),
        (["bottleneck.*"], [("bottleneck",)]),
        (["bottleneck"], [("bottleneck",)]),
        (["bottleneck.0", "bottleneck.1"], []),
        (["head"], []),
    ):
        both = surgery.conv_run() & surgery.by_name(*patterns)
        assert [site.parts for site in both(trace(host, [X]))] == expected


# What passes there


class Output(OrderedDict):
    """A library's own kind of dictionary."""


def encoder(make):
    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = conv(3, 4)

        def forward(self, x):
            x = self.conv(x)
            return make(x, F.avg_pool2d(x, 2))

    def forward(self, x):
        maps = self.encoder(x)
        fine = maps[0] if isinstance(maps, (tuple, list)) else maps["fine"]
        self.seen = type(maps)
        coarse = maps[1] if isinstance(maps, (tuple, list)) else maps["coarse"]
        return fine + F.interpolate(coarse, scale_factor=2)

    return Function(forward, encoder=Encoder())


@pytest.mark.parametrize(
    ("make", "map_"),
    [
        (Maps, 1),
        (lambda a, b: OrderedDict(fine=a, coarse=b), "coarse"),
        (lambda a, b: Output(fine=a, coarse=b), "coarse"),
        (lambda a, b: (a, b), 1),
        (lambda a, b: [a, b], 1),
    ],
)
@pytest.mark.parametrize("several", [True, False])
def test_containers_keep_their_type(make, map_, several):
    host = encoder(make)
    maps = [map_] if several else map_
    net = surgery.insert(host, "sab", after="encoder", maps=maps, example_input=X).model
    host(X), net(X)
    assert net.seen is host.seen


def test_a_map_named_twice_is_refused():
    host = encoder(lambda a, b: [a, b])
    with pytest.raises(SurgeryError, match=r"maps names one map twice: \[0, 0\]"):
        surgery.insert(host, "sab", after="encoder", maps=[0, 0], example_input=X)
    with pytest.raises(SurgeryError, match=r"maps names one map twice: \[1, -1\]"):
        surgery.insert(host, "sab", after="encoder", maps=[1, -1], example_input=X)


# Arguments


def test_keyword_dictionary_and_list_inputs():
    @dataclasses.dataclass
    class Result:
        logits: torch.Tensor
        loss: torch.Tensor | None = None

    keyword = Function(
        lambda self, *, pixels, scale=1: Result(self.c(pixels) * scale), c=conv(3, 4)
    )
    report = surgery.replace(
        keyword, "c", "ecdf", example_kwargs={"pixels": X, "scale": 2.0}, compression=4
    )
    assert isinstance(report.model.c, ECDF) and report.input_shape == tuple(X.shape)
    assert not report.notes
    dictionary = Function(lambda self, batch: {"out": self.c(batch["image"])}, c=conv(3, 4))
    report = surgery.replace(dictionary, "c", "ecdf", example_input={"image": X})
    assert report.input_shape == tuple(X.shape) and not report.notes
    images = Function(lambda self, images: self.c(torch.stack(images)), c=conv(3, 4))
    report = surgery.replace(images, "c", "ecdf", example_input=[[X[0], X[1]]])
    assert report.input_shape == tuple(X[0].shape) and not report.notes
    with pytest.raises(SurgeryError, match=r"fails with the example.*goes into another"):
        surgery.replace(images, "c", "ecdf", example_input=[X[0], X[1]])
    with pytest.raises(TypeError, match="no tensor to run the network with"):
        surgery.replace(images, "c", "ecdf")
    with pytest.raises(TypeError, match="example_kwargs must be a mapping, not list"):
        surgery.replace(images, "c", "ecdf", example_kwargs=[X])


@pytest.mark.parametrize("bridge", ["cab", "sab", "scab"])
def test_bridges_replace_what_keeps_the_channels(bridge):
    host = nn.Sequential(conv(3, 8), conv(8, 8), conv(8, 4))
    assert_trains(surgery.replace(host, "1", bridge, example_input=X).model, X)
    with pytest.raises(SurgeryError, match="Bridge keeps the channels, and they become 4"):
        surgery.replace(host, "2", bridge, example_input=X)


def test_classes_are_blocks():
    host = conv_head()
    report = surgery.replace(host, "1", ECDF, example_input=X, compression=4)
    assert len(report.model[1].cascade) == 1
    report = surgery.insert(host, ChannelAttentionBridge, after="1", example_input=X, heads="conv")
    assert report.changes[0].new == "ChannelAttentionBridge"
    with pytest.raises(TypeError, match="InvertedExternalAttention takes no option 'compression'"):
        surgery.replace(host, "1", InvertedExternalAttention, example_input=X, compression=4)


def test_a_module_of_the_network_is_a_place():
    host = conv_head()
    report = surgery.replace(host, host[1], "iea", example_input=X)
    assert report.changes[0].place == ("1",)
    assert surgery.insert(host, "iea", after=host[0], example_input=X).changes[0].place == ("0",)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (("1", ECDF(4)), TypeError, "block must be a name, a class or a function.*not a ECDF"),
        (("1", None), TypeError, "not a NoneType"),
        ((conv(4, 4), "iea"), TypeError, "this Conv2d is no module of the network"),
        ((nn.Conv2d, "iea"), TypeError, r"by_type\(Conv2d\) selects a type"),
        ((["0", "1"], "iea"), TypeError, "by_name takes several names"),
        (("1", lambda chans: nn.Identity()), SurgeryError, "for 4 channels: TypeError: .*argument"),
        (("1", lambda *chans: 4), TypeError, "returned a int, not a module"),
        (("1", nn.Conv2d), SurgeryError, "for 4 channels: TypeError: .*kernel_size"),
    ],
)
def test_arguments_of_a_wrong_kind(arguments, error, says):
    with pytest.raises(error, match=says):
        surgery.replace(conv_head(), *arguments, example_input=X)


def test_what_is_no_module_is_refused():
    with pytest.raises(TypeError, match="model must be a torch module, not str"):
        surgery.replace("unet", "head", "iea", example_input=X)


# Kinds of weights


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize(
    "normed", [nn.utils.weight_norm, nn.utils.spectral_norm, nn.utils.parametrizations.weight_norm]
)
def test_weights_that_are_computed(normed):
    host = nn.Sequential(normed(conv(3, 4)), nn.ReLU(), normed(conv(4, 4)), normed(conv(4, 2)))
    host(X).mean().backward()  # leaves a weight with a history
    assert rows(host) == [("0", "1", "2")]
    net = surgery.replace(host, surgery.conv_run(), "ecdf", example_input=X).model
    assert_trains(net, X)
    net = surgery.insert(host, "iea", after="0", example_input=X).model
    assert_trains(net, X)


def test_a_copy_of_a_wrapped_module_that_copies_itself_has_the_block():
    class CopiesItself(nn.Conv2d):
        def __deepcopy__(self, memo):
            return CopiesItself(3, 4, 1)

    host = nn.Sequential(CopiesItself(3, 4, 1), conv(4, 1))
    net = surgery.insert(host, "iea", after="0", example_input=X).model
    assert "0.block.query.weight" in copy.deepcopy(net).state_dict()


def test_lazy_modules_are_refused_until_they_have_weights():
    host = nn.Sequential(nn.LazyConv2d(4, 3, padding=1), conv(4, 4))
    with pytest.raises(SurgeryError, match=r"0 is a lazy module \(LazyConv2d\).*run the network"):
        surgery.replace(host, "1", "iea", example_input=X)
    host(X)
    assert_trains(surgery.replace(host, surgery.conv_run(), "ecdf", example_input=X).model, X)


# Looking without touching


def test_preview_agrees_with_the_operation_and_changes_nothing():
    layers = [conv(3, 8, stride=2), conv(8, 8), nn.ReLU(), conv(8, 16), nn.Conv2d(16, 1, 1)]
    host = nn.Sequential(*layers).train()
    host[4].register_forward_hook(lambda *_: None)
    before, state = copy.deepcopy(host.state_dict()), torch.get_rng_state()
    everything = surgery.conv_run() | surgery.by_type(nn.Conv2d)
    found = surgery.preview(host, everything, "ecdf", example_input=X)
    assert [place.parts for place in found.places] == [("0",), ("1", "2", "3"), ("4",)]
    strided, row, hooked = found.places
    assert "keeps height and width" in strided.problem and "hook" in hooked.problem
    assert (strided.input_shape, strided.output_shape) == ((2, 3, 16, 24), (2, 8, 8, 12))
    assert torch.equal(torch.get_rng_state(), state) and list(host) == layers and host.training
    assert all(torch.equal(value, before[name]) for name, value in host.state_dict().items())
    report = surgery.replace(host, surgery.conv_run(), "ecdf", example_input=X)
    change = report.changes[0]
    assert (row.parameters_before, row.parameters_after) == (
        change.parameters_before,
        change.parameters_after,
    )
    assert row.macs_before == 2 * 8 * 12 * 9 * (8 * 8 + 8 * 16)
    assert row.macs_after - row.macs_before == report.macs_after - report.macs_before
    assert "1 + 2 + 3" in str(found) and "yes" in str(found)


def test_preview_without_a_block_judges_the_sizes():
    found = surgery.preview(conv_head(), "*", example_input=X)
    assert [place.problem for place in found.places] == ["", ""]
    assert found.places[0].parameters_after is None and found.places[0].macs_after is None
    with pytest.raises(SurgeryError, match="selects nothing"):
        surgery.preview(conv_head(), "nowhere", example_input=X)
