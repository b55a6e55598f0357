import json
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import skinseg
from benchmarks.costs import paper_tables
from skinseg.complexity import count_parameters, model_complexity, thop_parameters

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "paper_tables.json"
ROWS = [
    pytest.param(row, id=f"{title}: {row['row']}")
    for title, table in json.loads(RESULTS.read_text())["tables"].items()
    for row in table
]


@pytest.mark.parametrize("row", ROWS)
def test_every_row_costs_what_the_tables_say(row):
    network = paper_tables.build(row["network"])
    counter = row["parameters_m"]["counter"].partition(",")[0]
    count = {"all": lambda n: count_parameters(n).total, "thop": thop_parameters}[counter]
    assert count(network) / 1e6 == row["parameters_m"]["ours"]
    counter = row["gmacs"]["counter"].partition(",")[0]
    cost = model_complexity(network, counters=[counter], repeats=0)
    assert cost.macs[counter] / 1e9 == row["gmacs"]["ours"]


def test_nine_rows_in_ten_agree_with_the_papers():
    data = json.loads(RESULTS.read_text())
    assert data["ablation_rows"] == 22
    assert data["ablation_rows_that_agree"] >= 0.9 * data["ablation_rows"]
    for table in data["tables"].values():
        assert all(row["agrees"] or row["note"] for row in table)


# The rows are counted above, each of them, and the page is made of the rows in test_benchmarks.py.
@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.minutes
def test_the_tables_come_out_byte_for_byte(monkeypatch, tmp_path):
    monkeypatch.setattr(paper_tables, "RESULTS", tmp_path / "paper_tables")
    paper_tables.main()
    for suffix in (".json", ".md"):
        new = (tmp_path / "paper_tables").with_suffix(suffix).read_bytes()
        assert new == RESULTS.with_suffix(suffix).read_bytes()


def test_parameters_by_kind():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(5))
            self.linear = nn.Linear(4, 3)
            self.linear.weight.requires_grad_(False)
            self.norm = nn.GroupNorm(1, 4)
            self.embedding = nn.Embedding(2, 7)
            self.again = self.linear

    counts = count_parameters(Own())
    assert (counts.linear, counts.bare, counts.normalization, counts.other) == (15, 5, 8, 14)
    assert counts.total == 42 and counts.trainable == 42 - 12
    tied = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    tied[1].weight = tied[0].weight
    assert count_parameters(tied).total == 16 + 2 * 4


@pytest.mark.parametrize("counter", ["torch", "thop", "ptflops-pytorch", "ptflops-aten"])
def test_a_convolution_without_bias_costs_the_same_everywhere(counter):
    conv = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False))
    cost = model_complexity(conv, (3, 20, 16), counters=[counter], repeats=0)
    assert cost.macs == {counter: 3 * 8 * 9 * 20 * 16}


def test_peak_memory_of_a_chain_and_of_a_skip():
    chain = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 16, 1), nn.Conv2d(16, 1, 1))
    pixels = 4 * 16 * 16
    cost = model_complexity(chain, (3, 16, 16), counters=["torch"], repeats=0)
    assert cost.peak_activation_bytes == (3 + 8 + 16) * pixels

    class Skip(nn.Module):
        def __init__(self):
            super().__init__()
            self.chain = chain

        def forward(self, x):
            first = self.chain[0](x)
            return self.chain[2](self.chain[1](first)) + first

    cost = model_complexity(Skip(), (3, 16, 16), counters=["torch"], repeats=0)
    assert cost.peak_activation_bytes == (3 + 8 + 16 + 1) * pixels

    class Scale(nn.Conv2d):
        def forward(self, x):
            return x * self.bias.view(1, 3, 1, 1)  # A view of a weight is no activation.

    cost = model_complexity(Scale(3, 3, 1), (3, 16, 16), counters=["torch"], repeats=0)
    assert cost.peak_activation_bytes == (3 + 3) * pixels


def test_blocks_account_for_the_whole():
    network = skinseg.create_model("malunet").train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    cost = model_complexity(network, (3, 64, 64), counters=["torch"], depth=1, repeats=2)
    assert sum(block.macs for block in cost.blocks) == cost.macs["torch"]
    assert sum(block.parameters for block in cost.blocks) == cost.parameters.total
    assert all(block.milliseconds > 0 for block in cost.blocks)
    assert network.training, "the mode is given back"
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_attention_blocks_have_a_line_of_their_own():
    cost = model_complexity(skinseg.create_model("egeunet"), (3, 64, 64), repeats=0)
    kinds = [block.kind for block in cost.blocks]
    assert kinds.count("GroupedHadamardProductAttention") == 6
    assert kinds.count("GroupAggregationBridge") == 5


def test_misuse(monkeypatch):
    conv = nn.Conv2d(3, 1, 1)
    with pytest.raises(
        ValueError, match="'fvcore'; there are: ptflops-aten, ptflops-pytorch, thop, torch"
    ):
        model_complexity(conv, counters=["fvcore"])
    with pytest.raises(ValueError, match=r"must be \(C, H, W\)"):
        model_complexity(conv, (256, 256))
    monkeypatch.setitem(sys.modules, "thop", None)
    with pytest.raises(
        ImportError, match="'thop' needs thop, which is not installed: pip install thop"
    ):
        model_complexity(conv, counters=["thop"])
    assert "thop" not in model_complexity(conv, (3, 8, 8), repeats=0).macs
