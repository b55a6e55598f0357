"""Networks that followed the papers': outputs and parameters of their public implementations."""

import pytest
import torch
from authors_case import assert_names_fit, assert_same, load_case

import skinseg
from skinseg.blocks.selective_scan import selective_scan

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


def one_after_the_other(x, step, log_decay, write, read):
    """The scan's equations as they are printed."""
    state = 0
    outputs = []
    for t in range(x.shape[-1]):
        decay = (step[..., t, None] * log_decay).exp()
        state = decay * state + (step * x)[..., t, None] * write[:, :, None, :, t]
        outputs.append((state * read[:, :, None, :, t]).sum(-1))
    return torch.stack(outputs, dim=-1)


# A position, parts of a chunk, chunks, and more chunks than one level of them takes.
@pytest.mark.parametrize("length", [1, 15, 16, 17, 256, 700])
def test_the_parallel_scan_and_its_gradients_are_those_of_a_loop(length):
    torch.manual_seed(0)
    batch, groups, channels, states = 2, 3, 4, 5
    shapes = {
        "x": (batch, groups, channels, length),
        "step": (batch, groups, channels, length),
        "log_decay": (groups, channels, states),
        "write": (batch, groups, states, length),
        "read": (batch, groups, states, length),
    }
    inputs = {key: torch.randn(shape, dtype=torch.float64) for key, shape in shapes.items()}
    inputs["step"] = inputs["step"].abs()
    inputs["log_decay"] = -inputs["log_decay"].abs()
    for value in inputs.values():
        value.requires_grad_()
    results = [scan(**inputs) for scan in (selective_scan, one_after_the_other)]
    torch.testing.assert_close(*results, atol=1e-10, rtol=1e-10)
    weights = torch.randn_like(results[0])
    gradients = [torch.autograd.grad((y * weights).sum(), inputs.values()) for y in results]
    torch.testing.assert_close(*gradients, atol=1e-9, rtol=1e-9)


def test_the_parallel_scan_neither_overflows_nor_forgets():
    """Decays from none at all to a factor of exp(-1000) per position."""
    torch.manual_seed(0)
    x, write, read = (torch.randn(1, 1, 1, 600) for _ in range(3))
    step = torch.where(torch.arange(600) % 100 < 90, 0.0, 1000.0).expand(1, 1, 1, -1)
    arguments = (x, step.contiguous(), -torch.ones(1, 1, 1), write, read)
    exact = one_after_the_other(*(value.double() for value in arguments))
    torch.testing.assert_close(selective_scan(*arguments).double(), exact, atol=1e-3, rtol=1e-5)


def test_mamba_looks_back_only():
    block = skinseg.create_block("mamba", 8).eval()
    x = torch.randn(1, 8, 4, 5)
    changed = x.clone()
    changed[..., 2, 3] += 1
    same = (block(x) == block(changed)).all(1).flatten()
    assert same[:13].all() and not same[13:].any()


def test_groups_of_mamba_are_layers_side_by_side():
    grouped = skinseg.create_block("mamba", 8, groups=2)
    alone = [skinseg.create_block("mamba", 4) for _ in range(2)]
    states = [block.state_dict() for block in alone]
    grouped.load_state_dict({key: torch.cat([state[key] for state in states]) for key in states[0]})
    x = torch.randn(2, 8, 5, 6)
    parts = [block(part) for block, part in zip(alone, x.chunk(2, dim=1), strict=True)]
    torch.testing.assert_close(grouped(x), torch.cat(parts, dim=1))


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
