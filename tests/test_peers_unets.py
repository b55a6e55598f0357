"""U-shaped peers: outputs, parameters and costs are those of their public implementations."""

import pytest
import torch
from authors_case import assert_names_fit, assert_same, load_case
from torch.nn import functional as F

import skinseg
from skinseg.blocks.shifted_mlp import shift

CASES = [
    ("unext_s", "unext_s", {}),
]


@pytest.mark.parametrize(("case", "name", "arguments"), CASES)
def test_every_authors_name_finds_its_place(case, name, arguments, shared_dir):
    assert_names_fit(shared_dir, case, name, **arguments)


@torch.no_grad()
@pytest.mark.parametrize(("case", "name", "arguments"), CASES)
def test_outputs_are_the_authors(case, name, arguments, shared_dir, tmp_path):
    network, x, arrays = load_case(shared_dir, tmp_path, case, name, **arguments)
    assert_same(network(x), arrays["output"])


@pytest.mark.parametrize(
    ("name", "arguments", "parameters"),
    [
        ("unext", {}, 1_471_921),
        ("unext_s", {}, 253_561),
    ],
)
def test_parameters_are_the_published(name, arguments, parameters):
    with torch.device("meta"):
        network = skinseg.create_model(name, **arguments)
    assert sum(p.numel() for p in network.parameters()) == parameters


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
        (lambda: skinseg.create_model("unext", channels=(8, 16)), "five widths"),
        (lambda: skinseg.create_block("shifted_mlp", 8, shift_size=4), "odd number.* not 4"),
    ],
)
def test_impossible_arguments(call, says):
    with pytest.raises(ValueError, match=says):
        call()
