"""Weights with records: found, checked by hash, adapted, overridden."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import skinseg
from skinseg import hub
from skinseg.pretrained import BUNDLED, DEFAULT_TAGS, PretrainedCfg, file_hash

BUNDLED_NAMES = sorted(path.stem for path in BUNDLED.glob("*.json"))


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A folder with weights of a small network, known as ``basic_unet.mine``."""
    torch.manual_seed(1)
    network = skinseg.create_model("basic_unet")
    file = tmp_path / "basic_unet.mine.safetensors"
    save_file(network.state_dict(), file)
    record = PretrainedCfg(
        architecture="basic_unet", tag="mine", model_args=network.config, sha256=file_hash(file)
    )
    file.with_suffix(".json").write_text(json.dumps(record.to_dict()))
    monkeypatch.setenv("SKINSEG_WEIGHTS", str(tmp_path))
    return network, file


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))


def test_a_tag_in_the_users_folder(weights):
    network, file = weights
    assert same(skinseg.create_model("basic_unet.mine", pretrained=True), network)
    assert not same(skinseg.create_model("basic_unet.mine"), network)
    assert "basic_unet.mine" in skinseg.list_pretrained()
    assert "basic_unet.mine" in skinseg.list_models(pretrained=True)
    assert "basic_unet.mine" in skinseg.list_models("basic*", include_tags=True)
    assert skinseg.get_pretrained_cfg("basic_unet.mine").file == str(file)


def test_a_file_without_a_record_in_the_users_folder(weights):
    network, file = weights
    file.with_suffix(".json").unlink()
    assert same(skinseg.create_model("basic_unet.mine", pretrained=True), network)
    # In place of a known file, it is not held to the hash of that one.
    file.rename(file.with_stem("basic_unet.isic2017"))
    assert same(skinseg.create_model("basic_unet.isic2017", pretrained=True), network)


def test_overlay_names_a_file(weights, monkeypatch):
    network, file = weights
    monkeypatch.delenv("SKINSEG_WEIGHTS")
    overlay = {"file": str(file)}
    loaded = skinseg.create_model("basic_unet", True, pretrained_cfg_overlay=overlay)
    assert same(loaded, network)
    with pytest.raises(TypeError, match="no field 'path'"):
        skinseg.create_model("basic_unet", True, pretrained_cfg_overlay={"path": "x"})
    for wrong in ({"threshold": "x"}, {"input_size": 192}):
        with pytest.raises(ValueError, match=f"pretrained_cfg_overlay: '{next(iter(wrong))}' must"):
            skinseg.create_model("basic_unet", True, pretrained_cfg_overlay=wrong)


def test_an_overlays_file_in_the_home_folder(tmp_path, monkeypatch):
    cfg = skinseg.get_pretrained_cfg("basic_unet")
    shutil.copy(cfg.file, tmp_path / "own.safetensors")
    monkeypatch.setenv("HOME", str(tmp_path))
    overlay = {"file": "~/own.safetensors", "sha256": cfg.sha256}
    network = skinseg.create_model("basic_unet", True, pretrained_cfg_overlay=overlay)
    network.save_pretrained(tmp_path / "saved")
    saved = skinseg.create_model(f"local-dir:{tmp_path / 'saved'}")
    assert saved.pretrained_cfg.metrics == cfg.metrics


def test_other_classes_get_a_new_head_and_keep_the_rest(weights):
    network, _ = weights
    loaded = skinseg.create_model("basic_unet.mine", pretrained=True, num_classes=3)
    assert loaded.head.out_channels == 3
    assert same(loaded.encoder, network.encoder)


@pytest.mark.parametrize("in_chans", [1, 2, 4, 6])
def test_other_input_channels_adapt_the_first_convolution(weights, in_chans):
    network, _ = weights
    loaded = skinseg.create_model("basic_unet.mine", pretrained=True, in_chans=in_chans)
    gray = torch.rand(1, 1, 32, 32)
    if in_chans % 3 == 0 or in_chans == 1:
        expected = network.eval()(gray.expand(-1, 3, -1, -1))
        torch.testing.assert_close(loaded.eval()(gray.expand(-1, in_chans, -1, -1)), expected)
    assert same(loaded.decoder, network.decoder)


def test_a_file_of_another_hash_is_refused(weights):
    network, file = weights
    save_file({k: v + 1 for k, v in network.state_dict().items()}, file)
    with pytest.raises(skinseg.CheckpointError, match=r"sha256 is .* the record says"):
        skinseg.create_model("basic_unet.mine", pretrained=True)


def test_unknown_tags_and_missing_weights(weights):
    with pytest.raises(ValueError, match="no weights 'mien' for basic_unet; did you mean mine"):
        skinseg.create_model("basic_unet.mien", pretrained=True)
    with pytest.raises(ValueError, match="there are no weights for lmsaunet_n8"):
        skinseg.create_model("lmsaunet_n8", pretrained=True)
    assert skinseg.get_pretrained_cfg("lmsaunet_n8") is None
    with pytest.raises(ValueError, match="no network 'nonet'"):
        skinseg.get_pretrained_cfg("nonet")


def test_a_record_without_a_file_or_a_repository(weights):
    _, file = weights
    file.unlink()
    with pytest.raises(ValueError, match="neither bundled nor published"):
        skinseg.create_model("basic_unet.mine", pretrained=True)


def test_a_broken_record(weights):
    _, file = weights
    file.with_suffix(".json").write_text('{"architecture": "basic_unet", "shasum": ""}')
    with pytest.raises(ValueError, match=r"basic_unet.mine.json: unknown key 'shasum'.*sha256"):
        skinseg.create_model("basic_unet.mine", pretrained=True)
    file.with_suffix(".json").write_text("{")
    with pytest.raises(ValueError, match="not a readable weight record"):
        skinseg.list_pretrained()
    file.with_suffix(".json").write_text("[1]")
    with pytest.raises(ValueError, match=r"mine.json is no weight record, .* but list; move"):
        skinseg.create_model("basic_unet")


def test_the_users_folder_must_exist(monkeypatch):
    monkeypatch.setenv("SKINSEG_WEIGHTS", "/nowhere")
    with pytest.raises(ValueError, match="SKINSEG_WEIGHTS is '/nowhere'"):
        skinseg.list_pretrained()


def test_local_dir_round_trip(tmp_path):
    network = skinseg.create_model("egeunet", num_classes=2)
    cfg = PretrainedCfg(architecture="egeunet", model_args=network.config)
    hub.write_local_dir(tmp_path, cfg, network.state_dict())
    loaded = skinseg.create_model(f"local-dir:{tmp_path}")
    assert same(loaded, network)
    assert loaded.pretrained_cfg.sha256 == file_hash(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(skinseg.CheckpointError, match="not a readable safetensors file"):
        skinseg.create_model(f"local-dir:{tmp_path}")


def test_a_name_may_be_a_path(tmp_path, egeunet):
    egeunet.save_pretrained(tmp_path)
    loaded = skinseg.create_model(Path(f"local-dir:{tmp_path}"))
    assert same(loaded, egeunet)
    assert skinseg.create_model(Path("malunet")).architecture == "malunet"
    best = skinseg.create_model(Path("best"), pretrained_cfg_overlay={"threshold": 0.25})
    assert (best.architecture, best.pretrained_cfg.threshold) == ("ensemble", 0.25)


def test_the_hub_out_of_reach(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(hub.HubError, match=r"hf-hub:nobody/nothing@v1: config.json cannot"):
        skinseg.create_model("hf-hub:nobody/nothing@v1")
    with pytest.raises(ValueError, match="hf-hub:a/b/c is not org/name"):
        skinseg.create_model("hf-hub:a/b/c")


def test_pretrained_and_a_checkpoint_exclude_each_other():
    with pytest.raises(ValueError, match="not both"):
        skinseg.create_model("malunet", pretrained=True, checkpoint_path="x.pth")


@pytest.mark.parametrize("name", ["best", "local-dir:a/folder", "hf-hub:org/name"])
def test_a_name_of_weights_and_a_checkpoint_exclude_each_other(name):
    with pytest.raises(ValueError, match=f"two sources of weights for '{name}'.*not both"):
        skinseg.create_model(name, checkpoint_path="x.pth")


@pytest.mark.parametrize("name", BUNDLED_NAMES)
def test_bundled_weights(name):
    cfg = skinseg.get_pretrained_cfg(name)
    network = skinseg.create_model(name, pretrained=True)
    assert sum(p.numel() for p in network.parameters()) == cfg.num_params
    for field in ("training_data", "recipe", "commit", "metrics", "license", "limitations"):
        assert getattr(cfg, field), f"the record of {name} does not say its {field}"


def test_the_package_stays_small():
    sizes = [(BUNDLED / f"{name}.safetensors").stat().st_size for name in BUNDLED_NAMES]
    assert max(sizes) < 3_000_000
    assert sum(sizes) < 12_000_000


def test_both_first_networks_ship_with_weights():
    assert {"egeunet.isic2017", "malunet.isic2017"} <= set(BUNDLED_NAMES)


def test_best_is_the_bundled_set_of_weights_that_scores_highest():
    records = [skinseg.get_pretrained_cfg(name) for name in skinseg.list_pretrained()]
    official = "ISIC 2017 task 1, official validation split"
    scores = {
        record.name: score["pooled_iou"]
        for record in records
        for score in record.metrics
        if score["data"] == official
    }
    best = skinseg.get_pretrained_cfg("best")
    assert best.name == max(scores, key=scores.get)
    network = skinseg.create_model("best")
    assert network.pretrained_cfg.name == best.name
    x = torch.rand(1, 3, 64, 64)
    expected = skinseg.create_model(best.name, pretrained=True).eval()(x)
    assert torch.equal(network.eval()(x), expected)


def test_the_default_of_every_bundled_network_is_stated():
    stated = {f"{arch}.{tag}" for arch, tag in DEFAULT_TAGS.items()}
    assert stated <= set(BUNDLED_NAMES)
    assert DEFAULT_TAGS.keys() == {name.partition(".")[0] for name in BUNDLED_NAMES}


def test_a_file_of_the_user_never_becomes_the_default(tmp_path, monkeypatch):
    record = skinseg.get_pretrained_cfg("egeunet.isic2017").to_dict()
    (tmp_path / "egeunet.aaa.json").write_text(json.dumps({**record, "tag": "aaa"}))
    for name in ("egeunet", "egeunet.bbb"):  # Files without a record.
        (tmp_path / f"{name}.safetensors").touch()
    monkeypatch.setenv("SKINSEG_WEIGHTS", str(tmp_path))
    for tag in ("aaa", "bbb"):
        assert skinseg.get_pretrained_cfg(f"egeunet.{tag}").tag == tag
    with pytest.warns(UserWarning, match=r"weights egeunet in .* Give .* egeunet.NAME.safetensors"):
        assert skinseg.get_pretrained_cfg("egeunet").tag == "isic2017"


@pytest.mark.parametrize("record", [False, True], ids=["file", "record"])
def test_weights_without_a_tag_are_listed_where_they_can_be_loaded(tmp_path, monkeypatch, record):
    listed = skinseg.list_pretrained()
    monkeypatch.setenv("SKINSEG_WEIGHTS", str(tmp_path))
    for arch in ("egeunet", "unet"):
        (tmp_path / f"{arch}.safetensors").touch()
        if record:
            (tmp_path / f"{arch}.json").write_text(json.dumps({"architecture": arch}))
    assert set(skinseg.list_pretrained()) - set(listed) == {"unet"}
    assert skinseg.get_pretrained_cfg("unet").file == str(tmp_path / "unet.safetensors")
    with pytest.warns(UserWarning, match=r"egeunet stands for egeunet.isic2017"):
        skinseg.create_model("egeunet", pretrained=True)


def test_several_weights_of_the_user_without_a_default(tmp_path, monkeypatch):
    for tag in ("a", "b"):
        record = {"architecture": "unet", "tag": tag}
        (tmp_path / f"unet.{tag}.json").write_text(json.dumps(record))
    monkeypatch.setenv("SKINSEG_WEIGHTS", str(tmp_path))
    with pytest.raises(ValueError, match=r"name one of unet\.a, unet\.b"):
        skinseg.get_pretrained_cfg("unet")
    (tmp_path / "unet.b.json").unlink()
    assert skinseg.get_pretrained_cfg("unet").tag == "a"
