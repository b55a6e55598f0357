"""The scan of Mamba layers and the recurrence below it, against a loop over the positions."""

import pytest
import torch

import skinseg
from skinseg.blocks.linear_recurrence import cut, linear_recurrence
from skinseg.blocks.selective_scan import selective_scan


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


def recurrence_inputs():
    torch.manual_seed(0)
    shape = (2, 20, 2)  # channels, positions, images
    log_decays, entering = -torch.rand(shape, dtype=torch.float64), torch.randn(shape).double()
    return cut(log_decays).requires_grad_(), cut(entering).requires_grad_()


def test_the_gradient_of_the_recurrence_is_exact_in_both_modes_and_can_be_differentiated():
    inputs = recurrence_inputs()
    assert torch.autograd.gradcheck(linear_recurrence, inputs, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(linear_recurrence, inputs)


def test_torch_func_sees_through_the_recurrence():
    log_decays, entering = recurrence_inputs()

    def total(entering):
        return linear_recurrence(log_decays, entering).square().sum()

    expected = torch.autograd.grad(total(entering), entering)[0]
    several = torch.func.vmap(torch.func.grad(total))(torch.stack([entering, 2 * entering]))
    torch.testing.assert_close(several, torch.stack([expected, 2 * expected]))


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
