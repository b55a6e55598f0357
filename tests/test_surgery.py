"""Surgery on small networks of every way of writing; the third parties have a file of their own."""

import copy
from collections import OrderedDict

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import skinseg
from skinseg import surgery
from skinseg.blocks import ECDF, DilatedGatedAttention
from skinseg.surgery import SurgeryError
from skinseg.surgery.trace import trace

X = torch.randn(2, 3, 16, 24, generator=torch.Generator().manual_seed(0))


def conv(in_chans, out_chans, **options):
    return nn.Conv2d(in_chans, out_chans, 3, padding=1, **options)


class Host(nn.Module):
    """An encoder that gives a list, a decoder that takes a keyword, a head."""

    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()
        self.head = nn.Conv2d(8, 1, 1)

    def forward(self, x):
        assert x.shape[-1] % self.encoder.stride == 0
        fine, coarse = self.encoder(x)
        return self.head(self.decoder(coarse, skip=fine))


class Encoder(nn.Module):
    stride = 2

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(OrderedDict(c=conv(3, 8), n=nn.BatchNorm2d(8), a=nn.ReLU(True)))
        self.deep = nn.Sequential(nn.MaxPool2d(2), conv(8, 16), nn.ReLU(), conv(16, 16))

    def forward(self, x):
        x = self.stem(x)
        return [x, self.deep(x)]


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.first, self.second = conv(16, 8), conv(8, 8)

    def forward(self, x, skip):
        x = torch.cat([self.up(x), skip], 1)
        return F.relu(self.second(F.relu(self.first(x))))


@pytest.fixture
def host():
    torch.manual_seed(0)
    return Host().eval()


def places(model, selector, x=X):
    return [site.parts for site in selector(trace(model, [x]))]


# Selecting


def test_star_stays_within_a_level(host):
    assert places(host, surgery.by_name("encoder.*")) == [("encoder.stem",), ("encoder.deep",)]
    assert places(host, surgery.by_name("encoder.*.c")) == [("encoder.stem.c",)]
    assert places(host, surgery.by_name("*.c")) == []
    assert ("decoder.up",) in places(host, surgery.by_name("**.up", "**.c"))


def test_the_outer_of_nested_places_counts(host):
    either = surgery.by_name("encoder.stem.c") | surgery.by_name("encoder.stem")
    assert places(host, either) == [("encoder.stem",)]


def test_both_selectors_must_have_a_place(host):
    both = surgery.by_type(nn.Conv2d) & surgery.by_name("decoder", "decoder.**")
    assert places(host, both) == [("decoder.first",), ("decoder.second",)]


def test_row_of_convolutions_called_one_by_one(host):
    assert places(host, surgery.conv_run()) == [
        ("encoder.deep.1", "encoder.deep.2", "encoder.deep.3"),
        ("decoder.first", "decoder.second"),
    ]


class Double(nn.Module):
    """One activation module for both convolutions."""

    def __init__(self, in_chans, out_chans, *, residual=False, peek=False):
        super().__init__()
        self.a, self.b = conv(in_chans, out_chans), conv(out_chans, out_chans)
        self.act = nn.ReLU(inplace=True)
        self.residual, self.peek = residual, peek

    def forward(self, x):
        middle = self.act(self.a(x))
        y = self.act(self.b(middle))
        if self.peek:
            return y + middle
        return y + x if self.residual else y


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (nn.Sequential(Double(3, 8), Double(8, 8)), [("0",), ("1",)]),
        (nn.Sequential(Double(3, 3, residual=True)), [("0.a", "0.b")]),
        (nn.Sequential(Double(3, 8, peek=True)), []),
        (nn.Sequential(conv(3, 4), conv(4, 4), conv(4, 4)), [("0", "1")]),
        (nn.Sequential(conv(3, 4), nn.MaxPool2d(2), conv(4, 4)), []),
        (nn.Sequential(conv(3, 4), conv(4, 4, stride=2)), []),
        (nn.Sequential(conv(3, 3, groups=3), conv(3, 4)), []),
        (nn.Sequential(conv(3, 4), nn.Conv2d(4, 4, 1), conv(4, 4)), []),
        (
            nn.Sequential(nn.Sequential(conv(3, 4), nn.GroupNorm(2, 4)), nn.Sequential(conv(4, 5))),
            [("0", "1")],
        ),
    ],
    ids=[
        "modules",
        "residual",
        "used-twice",
        "three",
        "pooled",
        "strided",
        "depthwise",
        "1x1",
        "2",
    ],
)
def test_rows_are_found_in_the_flow_of_data(network, expected):
    assert places(network, surgery.conv_run()) == expected


def test_rows_of_other_lengths_and_sizes():
    network = nn.Sequential(conv(3, 4), conv(4, 4), conv(4, 4), nn.Conv2d(4, 4, 5, padding=2))
    assert places(network, surgery.conv_run(3)) == [("0", "1", "2")]
    assert places(network, surgery.conv_run(1, kernel_size=5)) == [("3",)]
    with pytest.raises(ValueError, match="at least 1, not 0"):
        surgery.conv_run(0)


def test_a_convolution_that_runs_twice_is_no_part_of_a_row():
    shared = conv(4, 4)
    assert places(nn.Sequential(shared, shared, nn.ReLU()), surgery.conv_run(), X[:, [0] * 4]) == []


# Replacing


def test_replaced_network_and_report(host):
    report = surgery.replace(host, surgery.conv_run(), "ecdf", example_input=X, compression=4)
    net = report.model
    assert isinstance(net.encoder.deep[1], ECDF)
    assert isinstance(net.encoder.deep[3], nn.Identity)
    assert isinstance(net.decoder.first, ECDF)
    assert net(X).shape == host(X).shape
    first, second = report.changes
    assert first.place == ("encoder.deep.1", "encoder.deep.2", "encoder.deep.3")
    assert first.old == ("Conv2d", "ReLU", "Conv2d")
    assert (second.in_chans, second.out_chans, second.new) == (16, 8, "ECDF")
    assert second.parameters_before == 16 * 8 * 9 + 8 + 8 * 8 * 9 + 8
    sizes = [sum(p.numel() for p in model.parameters()) for model in (host, net)]
    assert [report.parameters_before, report.parameters_after] == sizes
    for model, macs in ((host, report.macs_before), (net, report.macs_after)):
        one_image = skinseg.complexity.model_complexity(model, X.shape[1:], counters=["torch"])
        assert macs == len(X) * one_image.macs["torch"]
    text = str(report)
    assert "decoder.first + decoder.second" in text and f"{sizes[0]:,} -> {sizes[1]:,}" in text
    assert report.to_dict()["changes"][1]["new"] == "ECDF" and "model" not in report.to_dict()


def test_the_given_network_is_not_touched_unless_in_place(host):
    before = copy.deepcopy(host.state_dict())
    report = surgery.replace(host, "head", "iea", example_input=X)
    assert report.model is not host and isinstance(host.head, nn.Conv2d)
    report = surgery.replace(host, "head", "iea", example_input=X, inplace=True)
    assert report.model is host and not isinstance(host.head, nn.Conv2d)
    for name, value in host.state_dict().items():
        if not name.startswith("head."):
            assert torch.equal(value, before[name])


def test_mode_and_type_are_the_replaced_modules(host):
    host.double().train()
    host.encoder.deep.eval()
    report = surgery.replace(host, surgery.conv_run(), "dga", example_input=X.double())
    deep, first = report.model.encoder.deep[1], report.model.decoder.first
    assert isinstance(deep, DilatedGatedAttention)
    assert {p.dtype for p in deep.parameters()} == {torch.float64}
    assert not deep.training and not deep.gate.training
    assert first.training and first.gate.training
    assert report.model.training and not report.model.encoder.deep.training
    # The network ran before and after the operation; BatchNorm in training mode learned nothing.
    assert report.model.encoder.stem.n.training
    assert report.model.encoder.stem.n.num_batches_tracked == 0
    report = surgery.insert(host, "iea", after="encoder.deep", example_input=X.double())
    assert not report.model.encoder.deep[-1].training


def test_device_is_the_replaced_modules(host):
    report = surgery.replace(host.to("meta"), "decoder.first", "dga", example_input=X.to("meta"))
    assert {p.device.type for p in report.model.parameters()} == {"meta"}
    report = surgery.insert(host, "iea", after="decoder", example_input=X.to("meta"))
    assert {p.device.type for p in report.model.parameters()} == {"meta"}


def test_own_block_and_several_arguments(host):
    class TwoInputs(nn.Module):
        def __init__(self):
            super().__init__()
            self.host = host

        def forward(self, x, scale):
            return self.host(x) * scale

    made = []

    def block(in_chans, out_chans):
        made.append((in_chans, out_chans))
        return nn.Conv2d(in_chans, out_chans, 1)

    report = surgery.replace(
        TwoInputs(), "host.decoder.second", block, example_input=(X, torch.tensor(2.0))
    )
    assert made == [(8, 8)]
    assert report.model.host.decoder.second.kernel_size == (1, 1)
    with pytest.raises(TypeError, match="options compression go with a block's name"):
        surgery.replace(host, "head", block, example_input=X, compression=4)


def test_a_module_with_two_names_is_replaced_under_both():
    class TwoNames(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = self.alias = conv(3, 8)

        def forward(self, x):
            return self.alias(x)

    net = surgery.replace(TwoNames(), "first", "ecdf", example_input=X).model
    assert isinstance(net.alias, ECDF) and net.alias is net.first


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("encoder.deep", r"turns 16x24 into 8x12.*a block keeps height and width"),
        ("decoder.up", r"turns 8x12 into 16x24 \(stride \(2, 2\)"),
        ("decoder", "takes 2 tensors, and a block one"),
        ("encoder", "the output is a list of 2, not one feature map"),
        ("encoder.stem.c", "3 channels cannot be split into 4 branches"),
    ],
)
def test_what_cannot_keep_shapes_is_refused(host, where, reason):
    with pytest.raises(SurgeryError, match=f"no block fits.*{reason}"):
        surgery.replace(host, where, "dga", example_input=X)


def test_refused_places_can_be_skipped(host):
    convs = surgery.by_type(nn.Conv2d)
    before = copy.deepcopy(host.state_dict())
    with pytest.raises(SurgeryError, match=r"at 1 of 6 places: encoder.stem.c: .*skip_unfit=True"):
        surgery.replace(host, convs, "ghpa", example_input=X, inplace=True)
    assert host.state_dict().keys() == before.keys()
    report = surgery.replace(host, convs, "ghpa", example_input=X, skip_unfit=True)
    assert [entry.place for entry in report.refused] == [("encoder.stem.c",)]
    assert len(report.changes) == 5
    assert "left: encoder.stem.c: " in str(report)
    with pytest.raises(SurgeryError, match="at 1 of 1 places"):
        surgery.replace(host, "encoder.stem.c", "ghpa", example_input=X, skip_unfit=True)


def test_wrong_names_are_told(host):
    with pytest.raises(SurgeryError, match=r"'encoder.dep'.* selects nothing.*encoder.deep"):
        surgery.replace(host, "encoder.dep", "ecdf", example_input=X)
    with pytest.raises(ValueError, match="no block 'ecdff'; did you mean ecdf"):
        surgery.replace(host, "head", "ecdff", example_input=X)
    with pytest.raises(TypeError, match="compresion"):
        surgery.replace(host, "head", "ecdf", example_input=X, compresion=4, skip_unfit=True)


def test_networks_that_use_more_than_a_call_are_put_back():
    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = conv(3, 8)

        def forward(self, x):
            return self.conv(x) * self.conv.weight.mean()

    net = Reader()
    with pytest.raises(SurgeryError, match=r"the network fails.*no attribute 'weight'"):
        surgery.replace(net, "conv", "ecdf", example_input=X, inplace=True)
    assert isinstance(net.conv, nn.Conv2d)
    assert not net.conv._forward_hooks and net.training


def test_modules_that_do_not_run_or_run_twice_are_refused(host):
    host.unused = conv(3, 4)
    with pytest.raises(SurgeryError, match="unused does not run as a module"):
        surgery.replace(host, "unused", "ecdf", example_input=X)
    shared = conv(3, 3)
    with pytest.raises(SurgeryError, match="runs 2 times"):
        surgery.replace(nn.Sequential(shared, shared), "0", "ecdf", example_input=X)


def test_compiled_and_scripted_networks_are_refused(host):
    with pytest.raises(SurgeryError, match=r"compiled; operate on what torch.compile was given"):
        surgery.replace(torch.compile(host), "**", "ecdf", example_input=X)
    scripted = torch.jit.trace(nn.Sequential(conv(3, 4)), X)
    with pytest.raises(SurgeryError, match="TorchScript"):
        surgery.replace(scripted, "0", "ecdf", example_input=X)


# Inserting


def test_behind_a_sequence_no_name_changes(host):
    report = surgery.insert(host, "dga", after="encoder.deep", example_input=X)
    assert isinstance(report.model.encoder.deep[-1], DilatedGatedAttention)
    assert set(host.state_dict()) < set(report.model.state_dict())
    report.model.load_state_dict(host.state_dict(), strict=False)
    assert report.changes[0].parameters_after == report.parameters_after - report.parameters_before
    again = surgery.insert(report.model, "iea", after="encoder.deep", example_input=X)
    assert len(again.model.encoder.deep) == 6


def test_behind_any_other_module_the_two_are_wrapped(host):
    report = surgery.insert(host, "ghpa", after="decoder", example_input=X)
    net = report.model
    torch.testing.assert_close(net(X), net.head(net.decoder.block(decoded(host))))
    assert "decoder.host.up.weight" in net.state_dict()


def decoded(host):
    fine, coarse = host.encoder(X)
    return host.decoder(coarse, skip=fine)


def test_chosen_maps_pass_a_bridge_and_the_others_do_not(host):
    net = surgery.insert(host, "scab", after="encoder", maps=[0, 1], example_input=X).model
    assert net.encoder.stride == 2  # the host's own attributes stay within reach
    fine, coarse = host.encoder(X)
    for found, expected in zip(net.encoder(X), net.encoder.block([fine, coarse]), strict=True):
        torch.testing.assert_close(found, expected)
    net = surgery.insert(host, "dga", after="encoder", maps=-1, example_input=X).model
    torch.testing.assert_close(net.encoder(X)[0], fine)
    torch.testing.assert_close(net.encoder(X)[1], net.encoder.block(coarse))


def test_before_a_module_by_place_and_by_name(host):
    fine, coarse = host.encoder(X)
    net = surgery.insert(host, "sab", before="decoder", argument="skip", example_input=X).model
    expected = host.decoder(coarse, skip=net.decoder.block(fine))
    torch.testing.assert_close(net(X), host.head(expected))
    net = surgery.insert(host, "iea", before="decoder", example_input=X).model
    expected = host.decoder(net.decoder.block(coarse), skip=fine)
    torch.testing.assert_close(net(X), host.head(expected))


@pytest.mark.parametrize("kind", [tuple, dict])
def test_maps_of_tuples_and_dictionaries(kind):
    class Maps(nn.Module):
        def forward(self, x):
            pair = {"fine": x, "coarse": F.avg_pool2d(x, 2)}
            return pair if kind is dict else tuple(pair.values())

    maps = ["coarse"] if kind is dict else [1]
    host = nn.Sequential(Maps())
    net = surgery.insert(host, "cab", after="0", maps=maps, example_input=X).model
    before, after = host(X), net(X)
    assert type(after) is type(before)
    assert torch.equal(after["fine" if kind is dict else 0], X)
    assert not torch.equal(after[maps[0]], before[maps[0]])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"block": "scab", "after": "encoder"}, "a list of 2: name the maps"),
        ({"block": "scab", "after": "encoder", "maps": [2]}, "a list of 2, without"),
        ({"block": "dga", "before": "decoder", "argument": "skp"}, "'skp'; there are: 0, 'skip'"),
        ({"block": "gab", "after": "decoder"}, "GroupAggregationBridge takes high and low"),
        ({"block": lambda c: nn.Conv2d(c, c, 3), "after": "decoder"}, r"into \(2, 8, 14, 22\)"),
        ({"block": "dga", "after": "nowhere"}, "selects nothing"),
    ],
)
def test_insertions_that_do_not_fit_are_refused(host, arguments, reason):
    with pytest.raises(SurgeryError, match=reason):
        surgery.insert(host, **arguments, example_input=X)


def test_after_or_before_is_needed(host):
    for arguments in ({}, {"after": "head", "before": "head"}):
        with pytest.raises(TypeError, match="either after= or before="):
            surgery.insert(host, "dga", **arguments, example_input=X)


def test_a_block_that_is_not_reached_is_refused_and_taken_out():
    class Method(nn.Module):
        def __init__(self):
            super().__init__()
            self.stage = conv(3, 8)

        def forward(self, x):
            return getattr(self.stage, "host", self.stage)(x)

    net = Method()
    stage = net.stage
    with pytest.raises(SurgeryError, match="the block at stage is not reached"):
        surgery.insert(net, "dga", after="stage", example_input=X, inplace=True)
    assert net.stage is stage


# What comes after


def all_operations(host):
    rows = surgery.conv_run()
    net = surgery.replace(host, rows, "ecdf", example_input=X).model
    net = surgery.insert(net, "dga", after="encoder", maps=-1, example_input=X).model
    net = surgery.insert(net, "scab", before="decoder", argument="skip", example_input=X).model
    return surgery.insert(net, "iea", after="encoder.host.stem", example_input=X).model.eval()


def test_result_saves_and_loads(host, tmp_path):
    torch.save(host.state_dict(), tmp_path / "host.pt")
    loaded = Host()
    loaded.load_state_dict(torch.load(tmp_path / "host.pt", weights_only=True))
    net = all_operations(loaded.eval())
    assert torch.equal(net.encoder.host.stem.c.weight, host.encoder.stem.c.weight)
    torch.save(net.state_dict(), tmp_path / "net.pt")
    again = all_operations(Host())
    again.load_state_dict(torch.load(tmp_path / "net.pt", weights_only=True))
    assert torch.equal(again(X), net(X))
    torch.save(net, tmp_path / "whole.pt")
    whole = torch.load(tmp_path / "whole.pt", weights_only=False)
    assert torch.equal(whole(X), net(X))
    assert torch.equal(copy.deepcopy(net)(X), net(X))


def test_result_exports_and_traces(host):
    net = all_operations(host)
    expected = net(X)
    exported = torch.export.export(net, (X,))
    torch.testing.assert_close(exported.module()(X), expected)
    torch.testing.assert_close(torch.jit.trace(net, X)(X), expected)


@pytest.mark.slow
def test_result_compiles(host):
    net = all_operations(host)
    expected = net(X)
    compiled = torch.compile(net, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(X), expected)


def test_result_trains(host):
    net = all_operations(host).train()
    net(X).square().mean().backward()
    without = [name for name, p in net.named_parameters() if p.grad is None]
    assert not without


def test_networks_of_this_package_are_hosts_too():
    x = torch.randn(1, 3, 64, 64)
    unet = skinseg.create_model("unet", channels=(8, 16, 32, 64, 64)).eval()
    report = surgery.replace(unet, surgery.conv_run(), "ecdf", example_input=x)
    assert len(report.changes) == 9
    assert report.parameters_after < report.parameters_before / 4
