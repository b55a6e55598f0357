import torch
from torch.nn import functional as F

# Positions that are scanned one after the other, all chunks at once. 16 was as fast as 32 and
# faster than 8 and 64 on the maps of 256x256 images.
CHUNK = 16


def selective_scan(
    x: torch.Tensor,
    step: torch.Tensor,
    log_decay: torch.Tensor,
    write: torch.Tensor,
    read: torch.Tensor,
) -> torch.Tensor:
    """Run a selective state space along a sequence, in parallel.

    ``h_t = exp(step_t * log_decay) * h_(t-1) + step_t * write_t * x_t`` and
    ``y_t = read_t . h_t``, from ``h = 0``. Chunks of 16 positions are scanned side by side, then
    their last states in the same way, and what is left by one product with a matrix of decays, so
    that the number of operations does not depend on the length. Every exponent is a sum of
    decays and never a difference of sums: nothing overflows, and nothing cancels out.

    Source: Mamba (Gu and Dao, arXiv 2312.00752), Section 3, where these are u, Delta, A, B and C.

    Args:
        x: Sequence (B, G, D, L): in each of G groups, D channels with N states each.
        step: Step sizes (B, G, D, L), not negative.
        log_decay: Rates of decay (G, D, N), not positive.
        write: How each position enters the states, (B, G, N, L).
        read: How the states are read at each position, (B, G, N, L).

    Returns:
        Sequence (B, G, D, L).

    Example:
        >>> ones = torch.ones(1, 1, 1, 4)
        >>> selective_scan(ones, ones, torch.zeros(1, 1, 1), ones, ones)
        tensor([[[[1., 2., 3., 4.]]]])
    """
    # Cut into chunks before the states are made, which take N times the memory.
    step, entering, write, read = (_cut(t.movedim(-1, 0)) for t in (step, step * x, write, read))
    states = _recurrence(
        step.unsqueeze(-1) * log_decay, entering.unsqueeze(-1) * write.unsqueeze(-2), levels=2
    )
    y = (states @ read.unsqueeze(-1)).squeeze(-1)
    return y.flatten(0, 1)[: x.shape[-1]].movedim(0, -1)


def _cut(x: torch.Tensor) -> torch.Tensor:
    """Cut the first dimension into chunks, (L, ...) -> (K, CHUNK, ...), filled up with zeros."""
    length = x.shape[0]
    # One chunk more than needed: an exporter would take a single one for a constant. And divided
    # first, so that it sees a multiple of the chunk in the padded length.
    chunks = (length + CHUNK - 1) // CHUNK + 1
    padded = F.pad(x, [0, 0] * (x.ndim - 1) + [0, chunks * CHUNK - length])
    return padded.reshape(chunks, CHUNK, *x.shape[1:])


def _recurrence(log_decays: torch.Tensor, entering: torch.Tensor, levels: int) -> torch.Tensor:
    """All h_t = exp(log_decay_t) * h_(t-1) + entering_t of a chunked sequence (K, CHUNK, ...)."""
    state = torch.zeros_like(entering[:, 0])
    kept = torch.ones_like(state)
    states, left = [], []
    for decay, arrival in zip(log_decays.exp().unbind(1), entering.unbind(1), strict=True):
        state = torch.addcmul(arrival, decay, state)
        kept = kept * decay
        states.append(state)
        left.append(kept)
    # What the chunks before have left is added.
    before = _before(_scan_ends(log_decays.sum(1), state, levels - 1))
    whole = [torch.addcmul(h, kept, before) for h, kept in zip(states, left, strict=True)]
    return torch.stack(whole, dim=1)


def _scan_ends(log_decays: torch.Tensor, ends: torch.Tensor, levels: int) -> torch.Tensor:
    """The same of the K chunks' last states (K, ...)."""
    if levels:
        states = _recurrence(_cut(log_decays), _cut(ends), levels)
        return states.flatten(0, 1)[: ends.shape[0]]
    chunk = torch.arange(ends.shape[0], device=ends.device)
    later = (chunk[:, None] > chunk).reshape(ends.shape[0], ends.shape[0], *[1] * (ends.ndim - 1))
    # Of chunk j's last state, the decays of all chunks from j + 1 to i leave this in chunk i.
    left = torch.where(later, log_decays.unsqueeze(1), 0).cumsum(0).exp()
    return torch.where(later.transpose(0, 1), 0, left * ends).sum(1)


def _before(states: torch.Tensor) -> torch.Tensor:
    """The state before each chunk, from the state after each (K, ...)."""
    return F.pad(states, [0, 0] * (states.ndim - 1) + [1, 0])[: states.shape[0]]
