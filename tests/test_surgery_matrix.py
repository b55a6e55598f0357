"""A sample of the matrix of blocks in many networks: nothing accepted is wrong, no raw errors."""

import pytest
import torch
from torch import nn

from benchmarks.blocks import surgery_matrix
from benchmarks.blocks.odd_hosts import ODD_HOSTS
from benchmarks.blocks.surgery_checks import Watched, problems
from benchmarks.blocks.surgery_hosts import hosts
from skinseg import surgery
from skinseg.blocks import list_blocks

ODD = {host.name: host for host in hosts() if host.name.startswith("odd ")}


@pytest.mark.parametrize("name", ODD)
def test_blocks_in_odd_networks(name):
    """One block each; the matrix has all of them."""
    host = ODD[name]
    block = list_blocks()[list(ODD).index(name) % len(list_blocks())]
    watched = surgery_matrix.opened(host)
    assert isinstance(watched, Watched), watched
    for kind in surgery_matrix.KINDS:
        found = surgery_matrix.cell(host, watched, block, kind)
        assert found["outcome"] in ("right", "refused"), found


# The blocks of the first three networks; the others are in the whole matrix, too.
DAILY = ("cab", "dga", "ecdf", "gab", "ghpa", "iea", "sab")


@pytest.mark.slow
@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, marks=() if block in DAILY else pytest.mark.nightly)
        for block in list_blocks()
    ],
)
def test_every_block_in_every_odd_network(block):
    for host in ODD.values():
        watched = surgery_matrix.opened(host)
        for kind in surgery_matrix.KINDS:
            found = surgery_matrix.cell(host, watched, block, kind)
            assert found["outcome"] in ("right", "refused"), (host.name, found)


# The checks see what they are there for


def watched_of(kind):
    def make():
        torch.manual_seed(0)
        return kind()

    sizes = [((torch.rand(2, 3, *size),), {}) for size in ((32, 32), (48, 64))]
    return Watched(make(), sizes), make


class Hidden(nn.Module):
    """A block whose result goes nowhere."""

    def __init__(self, part):
        super().__init__()
        self.part = part

    def forward(self, x):
        self.part(x)
        return x


def count_wrong(report):
    object.__setattr__(report, "macs_after", 3)


def hide(report):
    report.model.stem.inserted = report.model.stem.block
    report.model.stem.block = Hidden(report.model.stem.block)


def stride(report):
    report.model.stem.host.stride = (1, 1)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (None, ""),
        (count_wrong, "MACs after: the report says 3"),
        (hide, "has a gradient"),
        (stride, "first gave"),
    ],
)
def test_the_checks_see_errors(change, says):
    watched, make = watched_of(ODD_HOSTS[0])
    example = watched.sizes[0][0][0]
    report = surgery.insert(watched.model, "dga", after="stem", example_input=example)
    if change is not None:
        change(report)
    found = problems(watched, report, make, export=change is None)
    assert bool(found) == bool(says), found
    assert says in "; ".join(found)


def test_the_checks_see_a_changed_original():
    watched, make = watched_of(ODD_HOSTS[0])
    report = surgery.insert(
        watched.model, "dga", after="stem", example_input=watched.sizes[0][0][0]
    )
    with torch.no_grad():
        watched.model.head.weight.add_(1)
    assert "the original's weights changed" in problems(watched, report, make)
