"""Peers with image classifiers as encoders: outputs, parameters and weights that others publish."""

import pytest
import torch
from authors_case import assert_names_fit, assert_same, load_case
from filling import vary
from torch.nn import functional as F

import skinseg
from skinseg.checkpoint import CheckpointError
from skinseg.models.deit import DeiT, resize_positions
from skinseg.models.res2net import Res2NetBlock
from skinseg.models.resnet import BasicBlock, Bottleneck, ResNet

TWO = {"num_classes": 2}
CASES = [
    ("bisenet_hub", "bisenet", TWO),
    ("deeplabv3_hub", "deeplabv3", TWO),
    ("sanet", "sanet", {}),
    ("transfuse_s", "transfuse_s", {}),
]
NARROW = {
    "bisenet": {"spatial_channels": (4, 8), "width": 4},
    "deeplabv3": {"layers": (1, 1, 2, 2), "width": 4, "decoder_channels": 8},
    "sanet": {"layers": (1, 2, 1, 1), "width": 8, "decoder_channels": 8},
    "transfuse_s": {"width": 4, "dim": 8, "depth": 1, "num_heads": 2},
}
# A network, what its convert_encoder_weights says is published, and the part that it fills.
PUBLISHED = [
    ("bisenet", "resnet18", "context"),
    ("deeplabv3", "resnet50", ""),
    ("sanet", "res2net50d", ""),
    ("transfuse_s", "resnet34", "cnn"),
]


@pytest.mark.parametrize(("case", "name", "arguments"), CASES)
def test_every_authors_name_finds_its_place(case, name, arguments, shared_dir):
    assert_names_fit(shared_dir, case, name, **arguments)


@torch.no_grad()
@pytest.mark.parametrize(("case", "name", "arguments"), CASES[:2])
def test_outputs_are_those_of_the_comparison(case, name, arguments, shared_dir, tmp_path):
    network, x, arrays = load_case(shared_dir, tmp_path, case, name, **arguments)
    assert_same(network(x), arrays["output"])


@torch.no_grad()
def test_transfuse_is_the_authors(shared_dir, tmp_path):
    network, x, arrays = load_case(shared_dir, tmp_path, "transfuse_s", "transfuse_s")
    logits, aux = network(x, return_aux=True)
    for index, output in enumerate([*aux, logits]):
        assert_same(output, arrays[f"output_{index}"])


@torch.no_grad()
def test_sanet_is_the_authors(shared_dir, tmp_path):
    """Whose network leaves it to others to enlarge its output."""
    network, x, arrays = load_case(shared_dir, tmp_path, "sanet", "sanet")
    expected = F.interpolate(arrays["output"], x.shape[-2:], mode="bilinear", align_corners=True)
    assert_same(network(x), expected)


@pytest.mark.parametrize(
    ("name", "arguments", "parameters"),
    [
        ("bisenet", TWO, 2_927_958),
        ("deeplabv3", TWO, 39_043_650),
        ("sanet", {}, 23_899_497),
        ("transfuse_s", {}, 26_273_301),
    ],
)
def test_parameters_are_the_published(name, arguments, parameters):
    with torch.device("meta"):
        network = skinseg.create_model(name, **arguments)
    assert sum(p.numel() for p in network.parameters()) == parameters


@torch.no_grad()
@pytest.mark.hosts
@pytest.mark.parametrize(("name", "published", "part"), PUBLISHED)
def test_features_are_timms_with_its_weights(timm, name, published, part, tmp_path):
    torch.manual_seed(0)
    theirs = vary(timm.create_model(published))
    torch.save(theirs.state_dict(), tmp_path / "classifier.pth")
    network = skinseg.create_model(name)
    network.load_encoder_weights(tmp_path / "classifier.pth")
    backbone = network.encoder.get_submodule(part).eval()
    if name == "deeplabv3":
        # Its last stage is dilated; the published network's is not.
        backbone = ResNet(Bottleneck, (3, 4, 6, 3)).eval()
        backbone.load_state_dict(network.encoder.state_dict())
    modules = backbone.feature_info.module_name()
    for size in [(64, 96), (100, 77)]:
        x = torch.randn(2, 3, *size)
        expected = theirs.forward_intermediates(x, intermediates_only=True)[: len(modules)]
        for ours, of_timm in zip(backbone(x), expected, strict=True):
            scale = float(of_timm.abs().max())
            torch.testing.assert_close(ours, of_timm, atol=1e-5 * scale, rtol=0)


@torch.no_grad()
@pytest.mark.hosts
def test_tokens_are_timms_with_its_weights(timm, tmp_path):
    torch.manual_seed(0)
    theirs = vary(timm.create_model("deit_small_patch16_224"))
    torch.save({"model": theirs.state_dict()}, tmp_path / "deit.pth")
    network = skinseg.create_model("transfuse_s", img_size=224)
    network.load_encoder_weights(tmp_path / "deit.pth")
    x = torch.randn(2, 3, 224, 224)
    # As TransFuse has it: without the class token, and of the blocks the first eight.
    tokens = theirs.patch_embed(x) + theirs.pos_embed[:, 1:]
    expected = theirs.norm(theirs.blocks[:8](tokens)).mT.unflatten(2, (14, 14))
    ours = network.encoder.transformer.eval()(x)
    torch.testing.assert_close(ours, expected, atol=1e-4 * float(expected.abs().max()), rtol=0)


def published_weights(name, part):
    """The backbone's weights with a classifier beside them, under the names they have here."""
    backbone = skinseg.create_model(name, **NARROW[name]).encoder.get_submodule(part)
    return {
        **{key: torch.randn(value.shape) for key, value in backbone.state_dict().items()},
        "fc.weight": torch.randn(1000, 8),
        "fc.bias": torch.randn(1000),
        **({} if part == "" else {"layer4.0.conv1.weight": torch.randn(8, 8, 3, 3)}),
    }


@pytest.mark.parametrize(("name", "part"), [(name, part) for name, _, part in PUBLISHED])
def test_a_classifier_s_weights_fill_the_backbone_alone(name, part, tmp_path):
    state = published_weights(name, part)
    torch.save(state, tmp_path / "classifier.pth")
    network = skinseg.create_model(name, in_chans=1, **NARROW[name])
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network.load_encoder_weights(tmp_path / "classifier.pth")
    prefix = f"encoder.{part}." if part else "encoder."
    for key, value in network.state_dict().items():
        expected = state.get(key.removeprefix(prefix)) if key.startswith(prefix) else before[key]
        if key in network.first_weights and key.startswith(prefix):
            expected = expected.sum(1, keepdim=True)
        torch.testing.assert_close(value, expected.to(value.dtype))
    del state["bn1.bias"]
    torch.save(state, tmp_path / "less.pth")
    with pytest.raises(CheckpointError, match=r"less\.pth do not fit .* 1 missing \(bn1\.bias\)"):
        network.load_encoder_weights(tmp_path / "less.pth")


@torch.no_grad()
def test_dilated_stages_keep_the_size_and_see_as_far():
    """At the positions that a strided network keeps, a dilated one gives the same values."""
    torch.manual_seed(0)
    strided = ResNet(Bottleneck, (1, 1, 2), width=8).eval()
    dilated = ResNet(Bottleneck, (1, 1, 2), width=8, output_stride=8).eval()
    dilated.load_state_dict(strided.state_dict())
    assert dilated.feature_info.reduction() == [2, 4, 8, 8]
    x = torch.randn(1, 3, 128, 128)
    coarse, fine = strided(x)[-1], dilated(x)[-1]
    assert fine.shape[-2:] == (16, 16)
    torch.testing.assert_close(fine[..., ::2, ::2], coarse)


@pytest.mark.parametrize("block", [BasicBlock, Res2NetBlock])
def test_only_bottlenecks_can_be_dilated(block):
    with pytest.raises(ValueError, match=f"{block.__name__} cannot be dilated; use Bottleneck"):
        ResNet(block, (1, 1, 2), width=8, output_stride=8)


@torch.no_grad()
def test_position_embeddings_of_the_same_size_are_the_same():
    position = torch.randn(1, 12 * 16, 4)
    kept = resize_positions(position, (12, 16), (12, 16))
    assert torch.equal(kept.flatten(2).mT, position)
    larger = resize_positions(position, (12, 16), (23, 31))
    torch.testing.assert_close(larger[..., ::2, ::2], kept)


@torch.no_grad()
def test_transfuse_repeats_the_border_where_16_does_not_divide_a_side():
    deit = DeiT(dim=8, depth=1, num_heads=2, grid=(4, 3)).eval()
    x = torch.randn(1, 3, 60, 40)
    repeated = F.pad(x, (0, 8, 0, 4), mode="replicate")
    assert torch.equal(deit(x), deit(repeated))


@torch.no_grad()
def test_bisenet_s_one_class_is_the_difference_of_two():
    one = skinseg.create_model("bisenet", **NARROW["bisenet"]).eval()
    two = skinseg.create_model("bisenet", num_classes=2, **NARROW["bisenet"]).eval()
    two.load_state_dict(one.state_dict())
    x = torch.randn(1, 3, 64, 64)
    background, lesion = two(x).split(1, dim=1)
    assert background.min() >= 0 and lesion.min() >= 0
    torch.testing.assert_close(one(x), lesion - background)


@pytest.mark.parametrize("name", ["bisenet", "transfuse_s"])
def test_weights_of_other_classes_keep_all_but_the_layers_of_the_classes(name, tmp_path):
    trained = skinseg.create_model(name, num_classes=4, **NARROW[name])
    trained.save_pretrained(tmp_path)
    network = skinseg.create_model(f"local-dir:{tmp_path}", num_classes=3).eval()
    assert network(torch.randn(2, 3, 64, 64)).shape[1] == 3
    new = tuple(f"{module}." for module in network.classifier)
    theirs = trained.state_dict()
    for key, value in network.state_dict().items():
        assert key.startswith(new) or torch.equal(value, theirs[key])


def test_the_class_token_is_kept_and_does_not_learn():
    network = skinseg.create_model("transfuse_s", **NARROW["transfuse_s"])
    frozen = [key for key, weight in network.named_parameters() if not weight.requires_grad]
    assert frozen == ["encoder.transformer.class_token"]


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("bisenet", {"layers": (2, 2, 2, 2)}, "three stages"),
        ("bisenet", {"spatial_channels": (8,)}, "two widths"),
        ("deeplabv3", {"layers": (2, 2)}, "four stages"),
        ("sanet", {"layers": (2, 2)}, "four stages"),
        ("transfuse_s", {"layers": (2, 2)}, "three stages"),
        ("transfuse_s", {"num_heads": 5}, "must divide the width 384, which 5 does not"),
        ("transfuse_s", {"img_size": 250}, "multiple of 16, or two of them, not 250"),
        ("transfuse_s", {"img_size": (256, 0)}, "multiple of 16, or two of them"),
    ],
)
def test_impossible_arguments(name, arguments, says):
    with pytest.raises(ValueError, match=says):
        skinseg.create_model(name, **arguments)
