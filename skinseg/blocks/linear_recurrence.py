from collections.abc import Sequence
from functools import reduce
from itertools import accumulate
from typing import Any

import torch
from torch.nn import functional as F

# Positions that are scanned one after the other, all chunks at once. In training, 8 was slower on
# the long sequences of large maps, and 32 on the short ones of small maps.
CHUNK = 16

# Chunks, chunks of chunks, and what is left by a matrix of decays.
LEVELS = 2


def linear_recurrence(log_decays: torch.Tensor, entering: torch.Tensor) -> torch.Tensor:
    """All ``h_t = exp(log_decay_t) * h_(t-1) + entering_t`` of a sequence in chunks, in parallel.

    All chunks are scanned side by side, first from zero for their last states, and, when it is
    known what the chunks before leave in each, again from there. The last states are scanned in
    the same way, and what is left by a matrix of decays, so that the number of operations does
    not depend on the length. Every exponent is a sum of decays and never a difference of sums:
    nothing overflows, and nothing cancels out.

    Args:
        log_decays: Logarithms of the decays, not positive, in chunks (CHUNK, ..., K, B) as
            :func:`cut` makes them.
        entering: What enters at each position, the same shape.

    Returns:
        The states, in chunks.

    Example:
        >>> ones = cut(torch.ones(20, 1))
        >>> join(linear_recurrence(torch.zeros_like(ones), ones), 20).flatten()[-3:]
        tensor([18., 19., 20.])
    """
    # A compiler or an exporter makes its own gradient, of operations that it can see.
    traced = torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]  # torch's own
    if torch.is_grad_enabled() and not traced:
        states: torch.Tensor = _Recurrence.apply(log_decays, entering)  # type: ignore[no-untyped-call]  # torch's own
        return states
    return _recurrence(log_decays, entering)


def cut(x: torch.Tensor) -> torch.Tensor:
    """Cut a sequence (..., L, B) into K chunks, (CHUNK, ..., K, B), filled up with zeros."""
    length = x.shape[-2]
    # One chunk more than needed: an exporter would take a single one for a constant. And divided
    # first, so that it sees a multiple of the chunk in the padded length.
    chunks = (length + CHUNK - 1) // CHUNK + 1
    padded = F.pad(x, [0, 0, 0, chunks * CHUNK - length])
    in_chunks = padded.reshape(*x.shape[:-2], chunks, CHUNK, x.shape[-1])
    # In memory, chunks lie side by side: they are what an operation runs along.
    return in_chunks.movedim(-2, 0).contiguous()


def join(chunks: torch.Tensor, length: int) -> torch.Tensor:
    """The first positions of a sequence in chunks, (CHUNK, ..., K, B) -> (..., length, B)."""
    return chunks.movedim(0, -2).flatten(-3, -2)[..., :length, :]


class _Recurrence(torch.autograd.Function):
    """The same with its gradient, which is such a recurrence from the end to the start."""

    generate_vmap_rule = True

    @staticmethod
    def forward(log_decays: torch.Tensor, entering: torch.Tensor) -> torch.Tensor:
        return _recurrence(log_decays, entering)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        ctx.save_for_backward(inputs[0], output)
        ctx.save_for_forward(inputs[0], output)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, ...]:
        log_decays, states = ctx.saved_tensors
        # What a state is worth, the next one passes on by its own decay.
        next_first = _neighbors(log_decays[0], 1)
        decays = log_decays.exp().unbind()
        grads = _scan(
            [next_first.exp(), *decays[:0:-1]],
            log_decays[1:].sum(0) + next_first,
            grad.unbind()[::-1],
            LEVELS,
            from_end=True,
        )[::-1]
        before = _states_before(states)
        decay_grads = [g * h * a for g, h, a in zip(grads, before, decays, strict=True)]
        return torch.stack(decay_grads), torch.stack(grads)

    @staticmethod
    def jvp(ctx: Any, log_decays_t: torch.Tensor, entering_t: torch.Tensor) -> torch.Tensor:
        log_decays, states = ctx.saved_tensors
        passed_on = log_decays.exp() * torch.stack(_states_before(states))
        return _recurrence(log_decays, torch.addcmul(entering_t, log_decays_t, passed_on))


def _recurrence(
    log_decays: torch.Tensor, entering: torch.Tensor, levels: int = LEVELS
) -> torch.Tensor:
    decays = log_decays.exp().unbind()
    return torch.stack(_scan(decays, log_decays.sum(0), entering.unbind(), levels))


def _scan(
    decays: Sequence[torch.Tensor],
    log_decays: torch.Tensor,
    entering: Sequence[torch.Tensor],
    levels: int,
    *,
    from_end: bool = False,
) -> list[torch.Tensor]:
    """The states at each position of all chunks (..., K, B), whose whole decays are given."""
    arrivals = list(zip(decays, entering, strict=True))
    last = reduce(_next_state, arrivals[1:], entering[0])
    if from_end:
        before = _left_before(log_decays.flip(-2), last.flip(-2), levels - 1).flip(-2)
    else:
        before = _left_before(log_decays, last, levels - 1)
    return list(accumulate(arrivals, _next_state, initial=before))[1:]


def _next_state(state: torch.Tensor, arrival: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    decay, entering = arrival
    return torch.addcmul(entering, decay, state)


def _left_before(log_decays: torch.Tensor, last: torch.Tensor, levels: int) -> torch.Tensor:
    """The state before each of the K chunks, from their decays and last states (..., K, B)."""
    if levels:
        states = _recurrence(cut(log_decays), cut(last), levels)
        return _neighbors(join(states, last.shape[-2]), -1)
    chunk = torch.arange(last.shape[-2], device=last.device)
    later = (chunk[:, None] > chunk)[..., None]
    # Of chunk j's last state, the decays of all chunks from j + 1 to i leave this after chunk i.
    left = torch.where(later, log_decays.unsqueeze(-2), 0).cumsum(-3).exp()
    left = torch.where(later.transpose(0, 1), 0, left)
    return _neighbors((left * last.unsqueeze(-3)).sum(-2), -1)


def _neighbors(x: torch.Tensor, offset: int) -> torch.Tensor:
    """The values of the next chunks, or of those before (..., K, B); zero beyond the sequence."""
    if offset > 0:
        return F.pad(x, [0, 0, 0, 1])[..., 1:, :]
    return F.pad(x, [0, 0, 1, 0])[..., :-1, :]


def _states_before(states: torch.Tensor) -> list[torch.Tensor]:
    """The state before each position (CHUNK, ..., K, B)."""
    return [_neighbors(states[-1], -1), *states.unbind()[:-1]]
