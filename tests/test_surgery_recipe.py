"""What was done to a network, written as JSON, and done again on another one."""

import copy
import json

import pytest
import torch
from torch import nn

from skinseg import surgery

X = torch.zeros(1, 3, 32, 32)


class Host(nn.Module):
    """Two convolutions called one by one, one activation for both, and a list of maps."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.first, self.second = nn.Conv2d(8, 8, 3, 1, 1), nn.Conv2d(8, 8, 3, 1, 1)
        self.relu = nn.ReLU(inplace=True)
        self.encoder = Encoder()
        self.tail = nn.Sequential(nn.Conv2d(16, 8, 1), nn.ReLU())

    def forward(self, x):
        x = self.stem(x)
        x = self.relu(x + self.second(self.relu(self.first(x))))
        return self.tail(self.encoder(x)[1])


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.Conv2d(8, 16, 3, 2, 1)  # named as the wrapper's own part

    def forward(self, x):
        return [x, self.block(x)]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def operated(host):
    network = surgery.replace(host, surgery.conv_run(), "ecdf", example_input=X, compression=2)
    network = surgery.insert(network.model, "dga", after="encoder", maps=-1, example_input=X)
    network = surgery.insert(network.model, "iea", before="tail", example_input=X)
    network = surgery.insert(network.model, "iea", after="tail", example_input=X)
    return surgery.insert(
        network.model, "scab", before="encoder", maps=None, argument=0, example_input=X
    )


@pytest.mark.parametrize("inplace", [False, True])
def test_the_recipe_makes_the_same_network_again(inplace):
    report = operated(Host())
    recipe = json.loads(json.dumps(report.recipe))
    assert [step["kind"] for step in recipe] == ["replace", "after", "before", "after", "before"]
    assert recipe == surgery.recipe_of(copy.deepcopy(report.model))
    host = Host()
    again = surgery.apply(host, recipe, inplace=inplace)
    assert (again is host) == inplace
    again.load_state_dict(report.model.state_dict())
    x = torch.rand(2, 3, 32, 48)
    for training in (False, True):
        again.train(training), report.model.train(training)
        assert torch.equal(again(x), report.model(x))
    assert surgery.recipe_of(again) == recipe
    assert bool(surgery.recipe_of(host)) == inplace


def test_blocks_come_to_type_and_mode_of_their_places():
    recipe = operated(Host()).recipe
    host = Host().double().eval()
    host.encoder.train()
    again = surgery.apply(host, recipe)
    assert {p.dtype for p in again.parameters()} == {torch.float64}
    assert not again.first.training
    assert again.encoder.training
    with torch.device("meta"):
        empty = surgery.apply(Host(), recipe)
    assert {p.device.type for p in empty.parameters()} == {"meta"}
    assert empty.state_dict().keys() == again.state_dict().keys()


def attend(channels):
    return nn.Conv2d(channels, channels, 1)


def test_blocks_of_ones_own_are_given_by_name():
    report = surgery.insert(Host(), attend, after="stem", example_input=X)
    assert report.recipe == [
        {"kind": "after", "place": ["stem"], "block": "attend", "own": True, "channels": [8]}
    ]
    with pytest.raises(surgery.SurgeryError, match=r"give it as blocks=.'attend': \.\.\.."):
        surgery.apply(Host(), report.recipe)
    again = surgery.apply(Host(), report.recipe, blocks={"attend": attend})
    again.load_state_dict(report.model.state_dict())


class Gate(nn.Module):
    def __init__(self, channels, activation):
        super().__init__()
        self.activation = activation()

    def forward(self, x):
        return self.activation(x)


def test_options_that_json_cannot_hold_are_told():
    report = surgery.insert(Host(), Gate, after="stem", example_input=X, activation=nn.ReLU)
    assert report.to_dict()["changes"][0]["new"] == "Gate"
    with pytest.raises(surgery.SurgeryError, match="what was done at stem cannot be written"):
        _ = report.recipe


STEP = {"kind": "after", "place": ["stem"], "block": "dga", "channels": [8]}


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        ({}, "the recipe must be a list of steps, not {}"),
        ([3], "step 1 of the recipe must be an object, not 3"),
        ([STEP, {**STEP, "plcae": 1}], "step 2 of the recipe: unknown key 'plcae'; did you mean"),
        ([{"kind": "after"}], "the key 'place' is missing"),
        ([{**STEP, "kind": "beside"}], '\'kind\' must be "replace", "after" or "before", not \'b'),
        ([{**STEP, "place": "stem"}], "'place' must be a list of names of modules, not 'stem'"),
        ([{**STEP, "channels": [True]}], "'channels' must be a list of numbers"),
        ([{**STEP, "layout": []}], "'layout' must be"),
        ([{**STEP, "stand_ins": ["Linear"]}], "'stand_ins' must be a list of Identity and Copy"),
        (
            [{**STEP, "place": ["stm"]}],
            "step 1 of the recipe: the network has no module 'stm'; did",
        ),
        ([STEP, {**STEP, "place": ["stem", "tail"]}], "a block stands after one module, not 2"),
        ([{**STEP, "kind": "replace", "place": ["stem", "tail"]}], "must name one for each place"),
        ([{**STEP, "channels": [[8, 8]]}], "step 1 of the recipe: no block for"),
        ([STEP] * 10_001, "has 10,001 steps"),
    ],
)
def test_a_wrong_recipe_changes_nothing(recipe, says):
    host = Host()
    before = [(name, id(module)) for name, module in host.named_modules()]
    with pytest.raises(surgery.SurgeryError) as caught:
        surgery.apply(host, recipe, inplace=True)
    assert says in str(caught.value)
    assert [(name, id(module)) for name, module in host.named_modules()] == before


# Weights of the host, after the operation


def test_pretrained_weights_load_after_the_operation_as_before():
    pretrained = Host().state_dict()
    once = surgery.insert(Host(), "dga", after="encoder", maps=-1, example_input=X).model
    for network in (once, operated(Host()).model):
        found = network.load_state_dict(pretrained, strict=False)
        of_blocks = [name for name in network.state_dict() if "host.block" not in name]
        of_blocks = [name for name in of_blocks if "block." in name or "inserted_" in name]
        replaced = {name for name in pretrained if name.startswith(("first.", "second."))}
        ecdf = {name for name in network.state_dict() if name.startswith("first.")}
        if network is once:
            replaced, ecdf = set(), set()
        assert set(found.unexpected_keys) == replaced - ecdf
        assert set(found.missing_keys) >= set(of_blocks)
        stripped = {k.replace("host.", ""): v for k, v in network.state_dict().items()}
        for name in pretrained.keys() - replaced - {"encoder.block.weight", "encoder.block.bias"}:
            assert torch.equal(stripped[name], pretrained[name]), name
    assert torch.equal(once.encoder.host.block.weight, pretrained["encoder.block.weight"])


def test_weights_of_the_operated_network_load_as_they_are():
    """Those of a first operation go into the network after a second at the same place, too."""
    once = surgery.insert(Host(), "dga", after="encoder", maps=-1, example_input=X).model
    twice = surgery.insert(once, "dga", after="encoder", maps=-1, example_input=X).model
    for network in (once, twice):
        other = surgery.apply(Host(), surgery.recipe_of(network))
        other.load_state_dict(network.state_dict())
        assert torch.equal(other(X + 1), network(X + 1))
    missing = twice.load_state_dict(once.state_dict(), strict=False).missing_keys
    assert missing
    assert all(name.startswith("encoder.block.") for name in missing)


def test_a_block_beside_what_has_no_weights():
    network = surgery.insert(Host(), "dga", after="tail.1", example_input=X, check=False)
    other = surgery.apply(Host(), network.recipe)
    other.load_state_dict(network.model.state_dict())


# Names


def test_the_second_name_of_a_shared_module_gets_a_hint():
    host = Host()
    host.again = host.stem
    with pytest.raises(surgery.SurgeryError, match="again is a second name of stem: select that"):
        surgery.insert(host, "dga", after="again", example_input=X)


def test_names_without_the_prefix_of_data_parallel_get_a_hint():
    host = nn.DataParallel(Host())
    with pytest.raises(surgery.SurgeryError, match=r"in DataParallel begin with .*: module\.stem"):
        surgery.insert(host, "dga", after="stem", example_input=X)
    assert surgery.insert(host, "dga", after="module.stem", example_input=X).changes


@pytest.mark.parametrize("operation", ["replace", "insert", "preview"])
def test_a_block_of_two_maps_is_refused_with_a_way_out(operation):
    arguments = {
        "replace": (Host(), "stem", "gab"),
        "insert": (Host(), "gab"),
        "preview": (Host(), "stem", "gab"),
    }[operation]
    after = {"after": "stem"} if operation == "insert" else {}
    says = "GroupAggregationBridge takes high and low, and a place gives one map"
    with pytest.raises(surgery.SurgeryError, match=says):
        getattr(surgery, operation)(*arguments, **after, example_input=X)


def test_a_buffer_for_each_module_as_counters_of_operations_register():
    network = surgery.insert(Host(), "iea", before="tail", example_input=X).model
    for module in network.modules():
        module.register_buffer("total_ops", torch.zeros(1))
    assert network.tail.total_ops is not network.tail.host.total_ops
    assert network.tail.maps is None
