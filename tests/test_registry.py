import re
from pathlib import Path

import pytest
from torch import nn

import skinseg


@pytest.fixture
def own_network(monkeypatch):
    """A network registered from outside the package, for one test."""
    from skinseg import registry

    monkeypatch.setattr(registry, "_entrypoints", dict(registry._entrypoints))

    @skinseg.register_model
    def outside_net(*, in_chans: int = 3, num_classes: int = 1) -> nn.Module:
        return nn.Conv2d(in_chans, num_classes, 1)

    return outside_net


def test_wildcards():
    assert skinseg.list_models(module="lmsaunet") == ["lmsaunet", "lmsaunet_n8"]
    assert "lmsaunet_n4" in skinseg.list_models("lmsa*")
    assert skinseg.list_models(["egeunet", "malu*t"]) == ["egeunet", "malunet"]
    assert "malunet" not in skinseg.list_models("*unet", exclude_filters="mal*")
    assert skinseg.list_models("resnet*") == []


def test_filters_are_those_of_timm(monkeypatch):
    monkeypatch.delenv("SKINSEG_WEIGHTS", raising=False)
    everything = skinseg.list_models()
    assert skinseg.list_models("") == skinseg.list_models([]) == everything
    assert skinseg.list_models("malunet", "malunet") == ["malunet"]
    both = ["lmsaunet", "lmsaunet_n8", "malunet"]
    assert skinseg.list_models("*", ("malunet", "lmsaunet")) == both
    weights = skinseg.list_models(pretrained=True)
    assert skinseg.list_models("malunet", pretrained=True) == ["malunet.isic2017"]
    assert skinseg.list_models("malu*t", "", True) == ["malunet.isic2017"]
    assert skinseg.list_models("*isic2017", pretrained=True) == weights
    assert skinseg.list_models("malunet.other", pretrained=True) == []
    others = [name for name in weights if name != "malunet.isic2017"]
    assert skinseg.list_models(pretrained=True, exclude_filters="malunet") == others
    assert skinseg.list_models("", "", True, "malunet") == others
    assert skinseg.list_pretrained("") == skinseg.list_pretrained()
    assert skinseg.list_pretrained("malunet") == ["malunet.isic2017"]
    assert skinseg.list_pretrained(["malunet", "egeunet*"], "*.isic*7") == []


def test_a_network_from_outside(own_network):
    assert skinseg.is_model("outside_net")
    assert skinseg.model_entrypoint("outside_net") is own_network
    assert skinseg.create_model("outside_net", num_classes=5).out_channels == 5
    with pytest.raises(TypeError, match=r"'num_class'.*num_classes"):
        skinseg.create_model("outside_net", num_class=5)


def test_annotations_that_only_type_checkers_can_read(own_network):
    @skinseg.register_model
    def annotated_net(**kwargs: "OfATypeChecker") -> "nn.Module":  # noqa: F821
        return own_network(**kwargs)

    assert skinseg.create_model("annotated_net", num_classes=5).out_channels == 5


def test_a_name_is_registered_once(own_network):
    def malunet():
        return nn.Identity()

    with pytest.raises(ValueError, match="'malunet' is registered already"):
        skinseg.register_model(malunet)
    assert skinseg.register_model(own_network) is own_network


def test_names():
    assert skinseg.is_model("malunet") and skinseg.is_model("malunet.any_tag")
    assert not skinseg.is_model("unet3000")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("malunt", "no network 'malunt'; did you mean malunet"),
        ("xyz", "no network 'xyz'; there are: attention_unet, basic_unet"),
        ("runs/malunet", "looks like a path. Write local-dir:runs/malunet .*hf-hub:"),
        ("local-dir:nowhere", "has no config.json"),
    ],
)
def test_unknown_names(name, says):
    with pytest.raises(ValueError, match=says):
        skinseg.create_model(name)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("run/model.safetensors", "Write local-dir:run."),
        ("run/config.json", "Write local-dir:run."),
        ("run", "is a folder with a network. Write local-dir:run."),
        ("half", "is a folder without config.json, so it holds no network"),
        ("half/model.safetensors", 'create_model("ARCH", checkpoint_path='),
        ("nowhere/model.safetensors", "there is no such file here"),
        ("half/model.safetensors", "is a file of weights"),
        ("bare/config.json", "'bare' is a folder without model.safetensors, so it holds no"),
        ("photo.png", "'photo.png' is a file, and by its ending none with weights. Write the"),
        ("mine.pth", "there is no such file here"),
        ("malunet.pth", "is a file of weights"),
        ("local-dir:run/model.safetensors", "is a file; name its folder: local-dir:run"),
        ("local_dir:run", "Write local-dir:run."),
        ("hf:org/name", "Write hf-hub:org/name."),
        ("https://huggingface.co/org/name/tree/main", "Write hf-hub:org/name."),
        ("zoo:name", "Write local-dir:name or hf-hub:name."),
        (Path("run"), "Write local-dir:run."),
        (Path("run/model.safetensors"), "Write local-dir:run."),
    ],
)
@pytest.mark.parametrize("load", [skinseg.create_model, skinseg.Predictor])
def test_near_misses_name_the_remedy(tmp_path, monkeypatch, name, says, load):
    monkeypatch.chdir(tmp_path)
    skinseg.create_model("malunet").save_pretrained("run")
    skinseg.create_model("malunet").save_pretrained("half")
    Path("bare").mkdir()
    Path("half/config.json").rename("bare/config.json")
    Path("photo.png").touch()
    with pytest.raises(ValueError, match=re.escape(says)):
        load(name)
    Path("malunet").mkdir()
    assert skinseg.create_model("malunet").architecture == "malunet"


def test_unknown_arguments_are_refused_by_name():
    with pytest.raises(TypeError, match="malunet takes no argument 'dropout'"):
        skinseg.create_model("malunet", dropout=0.1)
    with pytest.raises(TypeError, match=r"out_indices goes with features_only"):
        skinseg.create_model("malunet", out_indices=(1,))
    with pytest.raises(ValueError, match="map 6, but the encoder has 6 maps"):
        skinseg.create_model("malunet", features_only=True, out_indices=(6,))


def test_pretrained_is_a_bool():
    with pytest.raises(TypeError, match=r"pretrained must be True or False, not 'isic2017'; name"):
        skinseg.create_model("malunet", pretrained="isic2017")


def test_which_names_have_weights():
    assert skinseg.is_model_pretrained("malunet.isic2017")
    assert not skinseg.is_model_pretrained("malunet.imagenet")
    assert not skinseg.is_model_pretrained("unet3000")
    assert skinseg.is_model_pretrained("best")


def test_the_record_by_timms_older_name():
    network = skinseg.create_model("malunet", pretrained=True)
    assert network.default_cfg is network.pretrained_cfg is not None


def test_variants_can_be_varied():
    assert skinseg.create_model("lmsaunet_n8", compression=16).config["compression"] == 16
