"""Networks that followed the papers': outputs and parameters of their public implementations."""

import pytest
import torch
from authors_case import assert_names_fit, assert_same, load_case

import skinseg

CASES = ["cmunext_s", "mkunet", "mkunet_t", "tinyunet", "ultralight_vm_unet"]
SIGMOID = ["ultralight_vm_unet"]  # the authors' network ends with one
PARAMETERS = {
    "cmunext": 3_149_185,
    "cmunext_l": 8_286_721,
    "cmunext_s": 417_505,
    "mkunet": 315_566,
    "mkunet_s": 93_050,
    "mkunet_t": 27_384,
    "tinyunet": 481_105,
    "ultralight_vm_unet": 49_457,
}


@pytest.mark.parametrize("name", CASES)
def test_every_authors_name_finds_its_place(name, shared_dir):
    assert_names_fit(shared_dir, name, name)


@torch.no_grad()
@pytest.mark.parametrize("name", CASES)
def test_outputs_are_the_authors(name, shared_dir, tmp_path):
    network, x, expected = load_case(shared_dir, tmp_path, name, name)
    output = network(x)
    assert_same(output.sigmoid() if name in SIGMOID else output, expected["output"])


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_the_published(name):
    with torch.device("meta"):
        network = skinseg.create_model(name)
    assert sum(p.numel() for p in network.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("cmunext", {"depths": (1, 1)}, "depths must be five numbers"),
        ("mkunet", {"channels": (8, 16)}, "five widths"),
        ("ultralight_vm_unet", {"channels": (8, 16)}, "six widths"),
        ("tinyunet", {"channels": (8, 16)}, "four widths"),
        ("tinyunet", {"compression": 40}, "2 to 32, not 40"),
    ],
)
def test_impossible_arguments(name, arguments, says):
    with pytest.raises(ValueError, match=says):
        skinseg.create_model(name, **arguments)
