import torch

from skinseg.blocks.linear_recurrence import cut, join, linear_recurrence


def selective_scan(
    x: torch.Tensor,
    step: torch.Tensor,
    log_decay: torch.Tensor,
    write: torch.Tensor,
    read: torch.Tensor,
) -> torch.Tensor:
    """Run a selective state space along a sequence, in parallel.

    ``h_t = exp(step_t * log_decay) * h_(t-1) + step_t * write_t * x_t`` and
    ``y_t = read_t . h_t``, from ``h = 0``; see
    :func:`skinseg.blocks.linear_recurrence.linear_recurrence`.

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
    # Cut into chunks before the states are made, which take N times the memory; the images come
    # last, so that short sequences have rows to run along, too.
    step, entering, write, read = (
        cut(t.permute(1, 2, 3, 0)) for t in (step, step * x, write, read)
    )
    decay = log_decay.permute(2, 0, 1)[..., None, None]
    write, read = (t.transpose(1, 2).unsqueeze(3) for t in (write, read))
    states = linear_recurrence(step.unsqueeze(1) * decay, entering.unsqueeze(1) * write)
    y = (states * read).sum(1)
    return join(y, x.shape[-1]).permute(3, 0, 1, 2)
