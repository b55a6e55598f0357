"""UCM-Net, MUCM-Net and LB-UNet, relatives of EGE-UNet, are their authors' networks."""

import pytest
import torch
from authors_case import assert_same, load_case

import skinseg

# The authors' outputs, coarsest first, the last one the network's; all before the sigmoid.
CASES = {name: [f"output_{index}" for index in range(6)] for name in ("mucmnet_8", "ucmnet")}
PARAMETERS = {
    "lbunet": 55_865,
    "mucmnet": 138_652,
    "mucmnet_2": 99_868,
    "mucmnet_4": 80_508,
    "mucmnet_8": 71_148,
    "ucmnet": 47_436,
}


@torch.no_grad()
@pytest.mark.parametrize("name", CASES)
def test_outputs_are_the_authors(name, shared_dir, tmp_path):
    network, x, expected = load_case(shared_dir, tmp_path, name, name)
    logits, aux = network(x, return_aux=True)
    for key, output in zip(CASES[name], [*aux, logits], strict=True):
        assert_same(output, expected[key])


@torch.no_grad()
def test_outputs_of_lbunet_are_the_authors(shared_dir, tmp_path):
    """All are probabilities; a boundary's logits are not enlarged, but its probabilities are."""
    network, x, expected = load_case(shared_dir, tmp_path, "lbunet", "lbunet")
    logits, aux = network(x, return_aux=True)
    outputs = [output.sigmoid() for output in aux] + network.predict_boundaries(x)
    for index, output in enumerate([*outputs, logits.sigmoid()]):
        assert_same(output, expected[f"output_{index}"])


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_counts(name):
    network = skinseg.create_model(name)
    assert sum(p.numel() for p in network.parameters()) == PARAMETERS[name]


@torch.no_grad()
@pytest.mark.parametrize("size", [(224, 224), (240, 320), (33, 97)])
def test_sizes_that_the_public_ucmnet_refuses(size):
    network = skinseg.create_model("ucmnet").eval()
    logits, aux = network(torch.randn(1, 3, *size), return_aux=True)
    assert all(output.shape[2:] == size and output.isfinite().all() for output in [logits, *aux])


def test_ucmnet_ignores_the_weights_that_its_authors_do_not_apply():
    network = skinseg.create_model("ucmnet")
    unused = {"block0.0.dwconv.weight": torch.randn(24), "dblock1.0.dwconv1.bias": torch.randn(32)}
    converted = network.convert_authors_weights(unused)
    assert converted["encoder.stages.2.block.first.1.weight"].eq(1).all()
    assert converted["refine.1.0.second.1.bias"].eq(0).all()


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("lbunet", {"channels": (8, 16)}, "six widths"),
        ("mucmnet", {"channels": (8, 16)}, "six widths"),
        ("mucmnet", {"groups": 0}, "at least 1, not 0"),
        ("ucmnet", {"channels": (8, 16)}, "six widths"),
    ],
)
def test_impossible_arguments(name, arguments, says):
    with pytest.raises(ValueError, match=says):
        skinseg.create_model(name, **arguments)
