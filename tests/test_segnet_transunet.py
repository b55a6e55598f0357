"""SegNet and TransUNet of LMSAUNet's comparison, in full width where it matters."""

from pathlib import Path

import pytest
import torch
from authors_case import assert_names_fit, load_case
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

import skinseg
from skinseg.models.segnet import unpool
from skinseg.models.vision_transformer import SelfAttention, VisionTransformer

PARAMETERS = {
    "segnet": 29_444_162,
    "segnet_ecdf": 637_452,
    "transunet_small": 67_017_858,
    "transunet_small_ecdf": 44_329_363,
}
CPUINFO = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""


@pytest.fixture
def authors_case(shared_dir, tmp_path):
    """Function from a name to the network with the authors' weights, the input, the output."""

    def load(name):
        network, x, arrays = load_case(shared_dir, tmp_path, name, name, num_classes=2)
        return network, x, arrays["output"]

    return load


@pytest.mark.parametrize("name", ["segnet", "transunet_small"])
def test_every_authors_name_finds_its_place(name, shared_dir):
    assert_names_fit(shared_dir, name, name, num_classes=2)


@pytest.mark.slow
@torch.no_grad()
def test_segnet_is_the_authors(authors_case):
    network, x, expected = authors_case("segnet")
    torch.testing.assert_close(network(x), expected, atol=1e-4, rtol=0)


@pytest.mark.slow
@pytest.mark.skipif(
    "GenuineIntel" not in CPUINFO or torch.backends.cpu.get_cpu_capability() != "AVX512",
    reason="the reference is rounded as by an Intel processor with AVX-512",
)
@torch.no_grad()
def test_transunet_is_the_authors(authors_case):
    """On one thread, of an Intel processor with AVX-512: MKL's sums elsewhere round differently.

    The case's weights make the attention all but a choice of one token, which magnifies the
    difference: an AMD processor, or a second thread, moves the output by 0.02.
    """
    network, x, expected = authors_case("transunet_small")
    torch.testing.assert_close(network(x), expected, atol=1e-4, rtol=0)


@pytest.mark.slow
@torch.no_grad()
def test_transunet_is_the_authors_as_far_as_rounding_tells(authors_case):
    """On any processor, in double precision: a wrong scale moves the output by far more."""
    network, x, expected = authors_case("transunet_small")
    network, x = network.double(), x.double()
    error = (network(x) - expected).abs()
    assert error.max() < 0.025 and error.mean() < 0.002
    for block in network.encoder.transformer.blocks:
        block.attention.scale *= 1.001
    assert (network(x) - expected).abs().mean() > 0.004


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_counts(name):
    with torch.device("meta"):
        network = skinseg.create_model(name, num_classes=2)
    assert sum(p.numel() for p in network.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("size", [(8, 6), (7, 9), (2, 2), (3, 2)])
def test_unpool_is_max_unpooling(size):
    # Quantised, so that windows have equal maxima, as they do after a ReLU.
    finer = torch.randn(2, 3, *size).round().relu()
    pooled, places = F.max_pool2d(finer, 2, return_indices=True)
    x = torch.randn_like(pooled)
    expected = F.max_unpool2d(x, places, 2, output_size=finer.shape)
    assert torch.equal(unpool(x, finer), expected)
    channels_last = finer.contiguous(memory_format=torch.channels_last)
    assert torch.equal(unpool(x, channels_last), expected)


def test_attention_as_written_out():
    """The authors' order of factors, each head by itself."""
    attention = SelfAttention(12, 3).double()
    x = torch.randn(2, 5, 12, dtype=torch.float64)
    heads = []
    for head in range(3):
        rows = torch.arange(12 // 3) * 9 + head
        query, key, value = (x @ attention.qkv.weight[rows + 3 * part].T for part in range(3))
        weights = (query @ key.transpose(1, 2) * (12 // 3) ** 0.5).softmax(-1)
        heads.append(weights @ value)
    expected = torch.cat(heads, -1) @ attention.project.weight.T
    torch.testing.assert_close(attention(x), expected)


def test_positions_are_exact_on_their_own_grid_and_resized_elsewhere():
    transformer = VisionTransformer(8, 7, 0, 2, 4)
    assert torch.equal(transformer.positions(7, 7), transformer.position)
    with torch.no_grad():
        rows = torch.linspace(0, 1, 7)[:, None].expand(7, 7)
        transformer.position[1:] = rows.reshape(-1, 1)
    resized = transformer.positions(3, 10)
    assert torch.equal(resized[0], transformer.position[0])
    grid = resized[1:].view(3, 10, 8)
    torch.testing.assert_close(grid[1], torch.full((10, 8), 0.5))
    assert (grid[0] < grid[1]).all() and (grid[1] < grid[2]).all()


def test_dropout_only_in_training():
    network = skinseg.create_model("transunet_small", channels=8, depth=1, img_size=32)
    x = torch.randn(2, 3, 32, 32)
    assert not torch.equal(network.encoder(x)[-1], network.encoder(x)[-1])
    network.eval()
    assert torch.equal(network(x), network(x))


@pytest.mark.parametrize("name", PARAMETERS)
def test_weights_of_other_channels_and_classes_are_adapted(name, tmp_path):
    narrow = {"channels": (8, 8, 8, 8, 8)} if "segnet" in name else {"channels": 8, "depth": 1}
    network = skinseg.create_model(name, **narrow)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    again = skinseg.create_model(
        name,
        pretrained=True,
        pretrained_cfg_overlay={"file": str(tmp_path / "weights.safetensors")},
        in_chans=1,
        num_classes=3,
        **narrow,
    )
    assert again.get_submodule(again.first_conv).in_channels == 1
    for key, value in network.state_dict().items():
        if key.rpartition(".")[0] not in ("head", network.first_conv):
            assert torch.equal(again.state_dict()[key], value)


def test_segnet_keeps_its_3x3_head():
    network = skinseg.create_model("segnet", channels=(4, 4, 4, 4, 4))
    network.reset_classifier(3)
    assert isinstance(network.head, nn.Conv2d)
    assert network.head.weight.shape == (3, 4, 3, 3)
    assert network.eval()(torch.randn(1, 3, 33, 57)).shape == (1, 3, 33, 57)


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("size", [(240, 320), (33, 57)])
def test_full_width_at_other_sizes(name, size):
    network = skinseg.create_model(name, num_classes=3, in_chans=1).eval()
    logits = network(torch.randn(1, 1, *size))
    assert logits.shape == (1, 3, *size) and logits.isfinite().all()


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("segnet", {"channels": (8, 16)}, "five widths"),
        ("segnet", {"block": "dga"}, "block must be one of"),
        ("segnet_ecdf", {"compression": 7}, "even number from 2 to 32"),
        ("transunet_small", {"channels": 12}, "multiple of 8"),
        ("transunet_small", {"img_size": 100}, "multiple of 16"),
        ("transunet_small", {"block": "dga"}, "block must be one of"),
        ("transunet_small", {"channels": 8, "num_heads": 3}, "num_heads must divide the width 64"),
    ],
)
def test_impossible_arguments(name, arguments, says):
    with pytest.raises(ValueError, match=says):
        skinseg.create_model(name, **arguments)
