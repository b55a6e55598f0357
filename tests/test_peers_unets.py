"""U-shaped peers: outputs, parameters and costs are those of their public implementations."""

import pytest
import torch
from authors_case import assert_names_fit, assert_same, load_case
from torch.nn import functional as F

import skinseg
from skinseg.blocks.shifted_mlp import shift
from skinseg.losses import segmentation_loss
from skinseg.training import Recipe
from skinseg.training.distributed import Distributed
from skinseg.training.step import ModelWithLoss

CASES = [
    ("attention_unet", "attention_unet", {}),
    ("unetpp", "unetpp", {}),
    ("unext_s", "unext_s", {}),
]
UNET_1024 = ("unet_hub", "unet_1024", {"num_classes": 2})


@pytest.mark.parametrize(("case", "name", "arguments"), [*CASES, UNET_1024])
def test_every_authors_name_finds_its_place(case, name, arguments, shared_dir):
    assert_names_fit(shared_dir, case, name, **arguments)


@torch.no_grad()
@pytest.mark.parametrize(("case", "name", "arguments"), CASES)
def test_outputs_are_the_authors(case, name, arguments, shared_dir, tmp_path):
    network, x, arrays = load_case(shared_dir, tmp_path, case, name, **arguments)
    assert_same(network(x), arrays["output"])


@pytest.mark.slow
@torch.no_grad()
def test_unet_1024_is_the_authors(shared_dir, tmp_path):
    """Whose network ends in a sigmoid and then a softmax."""
    case, name, arguments = UNET_1024
    network, x, arrays = load_case(shared_dir, tmp_path, case, name, **arguments)
    assert_same(network(x).sigmoid().softmax(1), arrays["output"])


@pytest.mark.parametrize(
    ("name", "arguments", "parameters"),
    [
        ("attention_unet", {}, 8_727_213),
        ("unet_1024", {"num_classes": 2}, 37_664_450),
        ("unetpp", {}, 9_163_329),
        ("unetpp", {"deep_supervision": True}, 9_163_329 + 99),
        ("unext", {}, 1_471_921),
        ("unext_s", {}, 253_561),
    ],
)
def test_parameters_are_the_published(name, arguments, parameters):
    with torch.device("meta"):
        network = skinseg.create_model(name, **arguments)
    assert sum(p.numel() for p in network.parameters()) == parameters


DEEPLY_SUPERVISED = {"channels": (4, 4, 8, 8), "deep_supervision": True}


@torch.no_grad()
def test_each_node_of_unetpp_s_finest_level_has_a_head():
    network = skinseg.create_model("unetpp", num_classes=3, **DEEPLY_SUPERVISED).eval()
    seen = {}
    for name in ("0_1", "0_2", "0_3"):
        network.nodes[name].register_forward_hook(
            lambda _, __, output, name=name: seen.update({name: output})
        )
    logits, aux = network(torch.randn(1, 3, 40, 33), return_aux=True)
    heads = [*network.aux_heads, network.head]
    expected = [head(map_) for head, map_ in zip(heads, seen.values(), strict=True)]
    for output, of_node in zip([*aux, logits], expected, strict=True):
        assert output.shape == (1, 3, 40, 33)
        torch.testing.assert_close(output, of_node)


def test_the_public_unetpp_numbers_its_heads_from_the_shallowest():
    network = skinseg.create_model("unetpp", **DEEPLY_SUPERVISED)
    authors = {f"final{n}.bias": torch.full((1,), float(n)) for n in (1, 2, 3)}
    assert network.convert_authors_weights(authors) == {
        "aux_heads.0.bias": 1.0,
        "aux_heads.1.bias": 2.0,
        "head.bias": 3.0,
    }


def test_a_new_head_of_unetpp_is_new_at_every_node():
    network = skinseg.create_model("unetpp", **DEEPLY_SUPERVISED)
    network.reset_classifier(4)
    logits, aux = network(torch.randn(1, 3, 32, 32), return_aux=True)
    assert [output.shape[1] for output in [*aux, logits]] == [4, 4, 4]


def test_a_block_before_one_of_several_heads_stays():
    network = skinseg.create_model("unetpp", **DEEPLY_SUPERVISED)
    x = torch.randn(1, 3, 32, 32)
    made = skinseg.surgery.insert(
        network, "dga", before="aux_heads.0", example_kwargs={"x": x, "return_aux": True}
    ).model
    block = made.aux_heads[0].block
    made.reset_classifier(4)
    logits, aux = made(x, return_aux=True)
    assert [output.shape[1] for output in [*aux, logits]] == [4, 4, 4]
    assert made.aux_heads[0].block is block


def test_auxiliary_outputs_of_two_classes_are_trained_on_as_the_output_is():
    recipe = Recipe(aux_weights=(0.5, 0.5))
    network = skinseg.create_model("unetpp", num_classes=2, **DEEPLY_SUPERVISED)
    loss = ModelWithLoss(network, recipe, Distributed(torch.device("cpu")))
    x, target = torch.randn(2, 3, 32, 32), torch.ones(2, 1, 32, 32)
    logits, aux = network(x, return_aux=True)
    lesion = [output[:, 1:] - output[:, :1] for output in [logits, *aux]]
    expected = [segmentation_loss(output, target) for output in lesion]
    torch.testing.assert_close(loss(x, target), expected[0] + sum(expected[1:]) / 2)


def test_a_new_head_of_unet_1024_reflects_the_border_as_the_old_one():
    network = skinseg.create_model("unet_1024", channels=(4, 4, 8, 8, 8))
    network.reset_classifier(4)
    assert network.head.padding_mode == "reflect"


def test_shift_is_a_roll_of_the_padded_map():
    """As the authors' code moves the groups: padded with zeros, rolled, and cut out again."""
    x = torch.randn(2, 12, 4, 7)
    groups = F.pad(x, (2, 2, 2, 2)).chunk(5, dim=1)
    for dim in (2, 3):
        rolled = [group.roll(by, dim) for group, by in zip(groups, range(-2, 3), strict=False)]
        assert torch.equal(shift(x, dim, 5), torch.cat(rolled, dim=1)[..., 2:-2, 2:-2])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: skinseg.create_model("attention_unet", channels=(8,)), "two to six widths"),
        (lambda: skinseg.create_model("attention_unet", min_gate_channels=0), "at least 1, not 0"),
        (lambda: skinseg.create_model("unetpp", channels=(8,)), "two to six widths"),
        (lambda: skinseg.create_model("unet_1024", channels=(8, 16)), "five widths"),
        (lambda: skinseg.create_model("unext", channels=(8, 16)), "five widths"),
        (lambda: skinseg.create_block("shifted_mlp", 8, shift_size=4), "odd number.* not 4"),
    ],
)
def test_impossible_arguments(call, says):
    with pytest.raises(ValueError, match=says):
        call()
