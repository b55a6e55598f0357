"""Networks with blocks in them are trained, saved, published and loaded as any other."""

import json

import pytest
import torch
from hub_networks import outputs
from travels import assert_travels, trained
from typer.testing import CliRunner

import skinseg
from skinseg import surgery
from skinseg.cli import app
from skinseg.hub import read_local_dir, rebuilt_differences

X = torch.zeros(1, 3, 64, 64)
CHANNELS = [4, 4, 8, 8, 8, 8]


def operated():
    host = skinseg.create_model("basic_unet", channels=CHANNELS)
    made = surgery.replace(host, "encoder.stages.5.block", "ecdf", example_input=X, compression=4)
    return surgery.insert(made.model, "iea", before="head", example_input=X).model


def test_trained_saved_published_and_loaded(tmp_path, monkeypatch):
    network = operated()
    record = trained(network, tmp_path / "run")
    assert record.surgery == surgery.recipe_of(network)
    again = skinseg.create_model(f"local-dir:{tmp_path / 'run'}")
    assert torch.equal(outputs(again), outputs(network))
    card = assert_travels(network, tmp_path, monkeypatch)
    assert (
        "- Blocks put in: `ecdf` in place of `encoder.stages.5.block`; `iea` before `head`" in card
    )


def test_a_loaded_network_is_operated_on_and_saved_again(tmp_path):
    operated().save_pretrained(tmp_path / "first")
    network = skinseg.create_model(f"local-dir:{tmp_path / 'first'}")
    more = surgery.insert(network, "dga", after="encoder.stages.0", example_input=X).model
    assert not rebuilt_differences(more)
    more.save_pretrained(tmp_path / "second")
    again = skinseg.create_model(f"local-dir:{tmp_path / 'second'}")
    assert torch.equal(outputs(again), outputs(more))
    assert len(read_local_dir(tmp_path / "second").surgery) == 3


def test_a_block_before_the_head_stays_when_the_classes_change(tmp_path):
    network = operated()
    kept = {k: v.clone() for k, v in network.state_dict().items() if not k.startswith("head.host")}
    network.save_pretrained(tmp_path / "one")
    network.reset_classifier(2)
    network.save_pretrained(tmp_path / "two")
    again = skinseg.create_model(f"local-dir:{tmp_path / 'two'}")
    assert torch.equal(outputs(again), outputs(network))
    loaded = skinseg.create_model(f"local-dir:{tmp_path / 'one'}", num_classes=2)
    for two in (network, loaded):
        assert all(torch.equal(two.state_dict()[key], value) for key, value in kept.items())
        assert two(X).shape[1] == two.num_classes == 2


@pytest.mark.parametrize("place", ["encoder.stages.0.block", "encoder.stages.0", "encoder"])
def test_the_first_convolution_is_adapted_wherever_a_block_stands(tmp_path, place):
    host = skinseg.create_model("basic_unet", channels=CHANNELS)
    maps = 0 if place == "encoder" else None
    network = surgery.insert(host, "scab", after=place, maps=maps, example_input=X).model
    network.save_pretrained(tmp_path)
    gray = skinseg.create_model(f"local-dir:{tmp_path}", in_chans=1)
    of_color, of_gray = (next(net.parameters()) for net in (network, gray))
    assert torch.equal(of_color.sum(1, keepdim=True), of_gray)
    assert gray(X[:, :1]).shape == (1, 1, 64, 64)


def test_heads_of_an_ensemble_are_new_where_a_block_stands_after_a_member(tmp_path):
    ensemble = skinseg.models.Ensemble("basic_unet", 2, model_args={"channels": CHANNELS})
    ensemble.architecture = "ensemble"
    network = surgery.insert(ensemble, "sab", after="members.0", example_input=X).model
    network.save_pretrained(tmp_path)
    again = skinseg.create_model(f"local-dir:{tmp_path}", num_classes=2)
    assert again(X).shape == (1, 2, 64, 64)


@pytest.mark.parametrize("kind", ["after", "replace"])
def test_a_block_made_for_the_old_classes_is_named(kind):
    host = skinseg.create_model("basic_unet", channels=CHANNELS, num_classes=4)
    if kind == "after":
        network = surgery.insert(host, "ecdf", after="head", example_input=X).model
    else:
        network = surgery.replace(host, "head", "cmrf", example_input=X).model
    with pytest.raises(ValueError, match="put after head or in its place, for the old number"):
        network.reset_classifier(2)
    assert network(X).shape[1] == network.num_classes == 4


def test_a_network_without_blocks_is_recorded_as_before(tmp_path):
    skinseg.create_model("basic_unet", channels=CHANNELS).save_pretrained(tmp_path)
    assert "surgery" not in json.loads((tmp_path / "config.json").read_text())
    assert "Blocks put in" not in (tmp_path / "README.md").read_text()


def test_a_run_with_other_blocks_is_not_resumed(tmp_path):
    trained(operated(), tmp_path)
    settings = json.loads((tmp_path / "recipe.json").read_text())["model"]
    assert settings["surgery"] == ["ecdf: encoder.stages.5.block", "iea: head"]


def attend(channels):
    return torch.nn.Conv2d(channels, channels, 1)


def test_a_block_of_ones_own_does_not_travel(tmp_path):
    host = skinseg.create_model("basic_unet", channels=CHANNELS)
    network = surgery.insert(host, attend, after="encoder.stages.0", example_input=X).model
    with pytest.raises(TypeError, match="the block attend is a class or function of one's own"):
        network.save_pretrained(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_a_wrong_recipe_in_a_config_is_refused(tmp_path):
    operated().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["surgery"][0]["place"] = ["encoder.stages.9.block"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"step 1 .*no module 'encoder\.stages\.9\.block'; did"):
        skinseg.create_model(f"local-dir:{tmp_path}")


def test_what_it_is_used_with(tmp_path):
    """A predictor, a file for other runtimes, and the command line's description."""
    network = operated()
    image = skinseg.data.synthetic_lesion(0, 64)[0]
    network.save_pretrained(tmp_path / "folder")
    name = f"local-dir:{tmp_path / 'folder'}"
    expected = skinseg.Predictor(network)(image).mask
    assert (skinseg.Predictor(name)(image).mask == expected).all()
    shown = CliRunner().invoke(app, ["info", name, "--size", "64"])
    assert shown.exit_code == 0, (shown.output, shown.exception)
    told = shown.stdout
    assert "blocks put in" in told
    assert "ecdf: encoder.stages.5.block" in told
    report = skinseg.export(name, tmp_path / "net.pt2", format="pt2", size=64)
    assert skinseg.runtimes.read_metadata(report.path).record.surgery == surgery.recipe_of(network)


class Gate(torch.nn.Module):
    def __init__(self, channels, activation):
        super().__init__()
        self.activation = activation()

    def forward(self, x):
        return self.activation(x)


def test_a_block_that_no_record_can_tell_of_is_exported(tmp_path):
    host = skinseg.create_model("basic_unet", channels=CHANNELS)
    places = {"after": "encoder.stages.0", "example_input": X}
    network = surgery.insert(host, Gate, **places, activation=torch.nn.Sigmoid).model
    skinseg.export(network, tmp_path / "net.pt2", format="pt2", size=64)
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        network.save_pretrained(tmp_path / "folder")


def test_what_a_training_began_with():
    network = skinseg.create_model("egeunet", pretrained=True)
    network = surgery.insert(network, "iea", before="head", example_input=X).model
    held = skinseg.hub.weights_held(network)
    assert held.startswith("egeunet.isic2017, sha256 ")
    assert held.endswith(", with blocks put in")


def test_a_file_of_ones_own_in_place_of_the_records(tmp_path):
    network = operated()
    network.save_pretrained(tmp_path)
    with torch.no_grad():
        network.encoder.stages[0].block.bias.add_(1)
    torch.save(network.state_dict(), tmp_path / "mine.pth")
    again = skinseg.create_model(
        f"local-dir:{tmp_path}", pretrained_cfg_overlay={"file": str(tmp_path / "mine.pth")}
    )
    assert torch.equal(outputs(again), outputs(network))
