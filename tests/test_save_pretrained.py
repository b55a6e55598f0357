"""Networks saved into folders: what is written, what its record may say, and its model card."""

import dataclasses
import re

import pytest
import torch
from hub_networks import outputs
from huggingface_hub import ModelCard
from PIL import Image
from wrappers import WRAPPERS

import skinseg
from skinseg.hub import model_card, read_local_dir, weights_held, write_local_dir
from skinseg.pretrained import BUNDLED, PretrainedCfg, file_hash


def saved(network, folder, **options):
    network.save_pretrained(folder, **options)
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    assert torch.equal(outputs(skinseg.create_model(f"local-dir:{folder}")), outputs(network))
    return read_local_dir(folder)


def test_save_and_load_a_folder(tmp_path, egeunet):
    record = saved(egeunet, tmp_path / "new" / "folder")
    assert record.to_dict() == egeunet.pretrained_cfg.to_dict()
    assert file_hash(record.file) == record.sha256


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_the_network_inside_of_a_wrapper_is_saved(tmp_path, egeunet, wrap):
    assert weights_held(wrap(egeunet)) == weights_held(egeunet)
    skinseg.hub.save_pretrained(wrap(egeunet), tmp_path)
    assert read_local_dir(tmp_path).to_dict() == egeunet.pretrained_cfg.to_dict()
    assert torch.equal(outputs(skinseg.create_model(f"local-dir:{tmp_path}")), outputs(egeunet))


def test_changed_weights_lose_what_was_said_of_the_old_ones(tmp_path):
    network = skinseg.create_model("egeunet.isic2017", pretrained=True)
    with torch.no_grad():
        network.head.bias += 1e-3
    record = saved(network, tmp_path)
    known = skinseg.get_pretrained_cfg("egeunet.isic2017")
    assert (record.tag, record.metrics, record.training_data, record.license) == ("", [], {}, None)
    assert (record.input_size, record.normalization) == (known.input_size, known.normalization)
    assert record.sha256 == file_hash(tmp_path / "model.safetensors") != known.sha256
    card = (tmp_path / "README.md").read_text()
    assert "0.75" not in card
    assert "None recorded" in card


def test_weights_in_half_precision_are_the_known_ones(tmp_path):
    network = skinseg.create_model("basic_unet", pretrained=True)
    known = network.pretrained_cfg
    halved = {key: value.half() for key, value in network.state_dict().items()}
    (tmp_path / "half").mkdir()
    write_local_dir(tmp_path / "half", known, halved)
    loaded = skinseg.create_model(f"local-dir:{tmp_path / 'half'}")
    assert {value.dtype for value in loaded.state_dict().values()} == {torch.float32}
    record = saved(loaded, tmp_path / "copy")
    assert (record.metrics, record.license) == (known.metrics, known.license)
    half, copy = (tmp_path / name / "model.safetensors" for name in ("half", "copy"))
    assert half.read_bytes() == copy.read_bytes()


def test_rounded_weights_are_not_the_known_ones(tmp_path):
    skinseg.create_model("basic_unet", pretrained=True).half().save_pretrained(tmp_path)
    assert read_local_dir(tmp_path).metrics == []


def test_a_network_that_never_had_the_weights_makes_no_claim(tmp_path):
    assert saved(skinseg.create_model("egeunet.isic2017"), tmp_path).metrics == []


def test_a_new_head_makes_no_claim(tmp_path):
    network = skinseg.create_model("egeunet", pretrained=True, num_classes=3, in_chans=1)
    record = saved(network, tmp_path)
    assert (record.metrics, record.input_size) == ([], (1, 128, 128))
    assert "Predictor" not in (tmp_path / "README.md").read_text()


def test_a_file_without_a_hash_makes_no_claim(tmp_path):
    overlay = {"file": str(BUNDLED / "egeunet.isic2017.safetensors")}
    network = skinseg.create_model("egeunet", True, pretrained_cfg_overlay=overlay)
    assert saved(network, tmp_path).metrics == []


def test_a_record_of_ones_own(tmp_path):
    network = skinseg.create_model("egeunet")
    mine = PretrainedCfg(
        architecture="egeunet",
        tag="mine",
        license="CC-BY-NC-4.0",
        training_data={"name": "My data: part 1"},
        metrics=[{"data": "my test set", "pooled_iou": 0.25, "images": 7}],
        limitations="Only ever saw my arm.",
    )
    record = saved(network, tmp_path, record=mine)
    assert record.num_params == 53_374
    assert record.metrics == mine.metrics
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.license == "cc-by-nc-4.0"
    assert card.data.datasets == ["my-data"]
    assert "Only ever saw my arm." in card.text


def test_the_hash_of_a_record_of_ones_own_is_filled_in(tmp_path, egeunet):
    stale = dataclasses.replace(egeunet.pretrained_cfg, tag="mine")
    record = saved(skinseg.create_model("egeunet"), tmp_path, record=stale)
    assert record.sha256 == file_hash(tmp_path / "model.safetensors") != stale.sha256
    card = (tmp_path / "README.md").read_text()
    assert record.sha256 in card
    assert stale.sha256 not in card


def test_saving_over_its_own_folder(tmp_path):
    saved(skinseg.create_model("basic_unet"), tmp_path)
    network = skinseg.create_model(f"local-dir:{tmp_path}")
    assert saved(network, tmp_path).sha256 == network.pretrained_cfg.sha256


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.nn.Conv2d(3, 1, 1),
        skinseg.models.MALUNet,
        lambda: skinseg.create_model("malunet", features_only=True),
    ],
)
def test_what_no_name_makes_again_is_refused(make, tmp_path):
    with pytest.raises(TypeError, match=r"only a whole network of skinseg.create_model"):
        skinseg.hub.save_pretrained(make(), tmp_path / "x")
    assert not (tmp_path / "x").exists()


# --- model card ----------------------------------------------------------------------------------


def test_model_card(egeunet, tmp_path):
    egeunet.save_pretrained(tmp_path)
    card = ModelCard.load(tmp_path / "README.md")
    data = card.data.to_dict()
    assert data["library_name"] == "skinseg"
    assert data["pipeline_tag"] == "image-segmentation"
    assert data["license"] == "apache-2.0"
    assert data["datasets"] == ["isic-2017-challenge"]
    record = egeunet.pretrained_cfg
    scores = {(r.dataset_name, r.metric_type): r.metric_value for r in card.data.eval_results}
    for entry in record.metrics:
        assert scores[entry["data"], "pooled_iou"] == round(entry["pooled_iou"], 4)
    for heading in ("Use", "Intended use", "Training", "Scores", "Limits and failure cases"):
        assert f"\n## {heading}\n" in card.text
    for said in (record.limitations, record.sha256, record.commit, "Not a medical device"):
        assert said in card.text


def test_the_example_of_the_card_runs(egeunet, tmp_path, monkeypatch):
    folder = tmp_path / "path" / "to" / "this" / "folder"
    egeunet.save_pretrained(folder)
    Image.fromarray(skinseg.data.synthetic_lesion(0, 64)[0]).save(tmp_path / "image.jpg")
    monkeypatch.chdir(tmp_path)
    code = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.S)[1]
    names = {}
    exec(code, names)
    assert names["found"].mask.shape == (64, 64)


def with_another_block(network):
    """By hand, and so without a recipe."""
    network.encoder.stages[5].block = skinseg.create_block("dga", 48, 64)
    return network


def with_another_module(network):
    network.head = torch.nn.Sequential(torch.nn.Dropout(), network.head)
    return network


def with_other_widths(network):
    network.head = torch.nn.Conv2d(network.head.in_channels, 5, 1)
    return network


def test_a_loss_of_earlier_versions_is_no_score(egeunet):
    scores = {"data": "validation images of the run", "pooled_iou": 0.5, "loss": 0.25}
    card = model_card(dataclasses.replace(egeunet.pretrained_cfg, metrics=[scores]), "org/name")
    assert "0.5000" in card
    assert "loss" not in card.partition("## Limits")[0].partition("## Scores")[2]
    assert "type: loss" not in card


@pytest.mark.parametrize("changed", [{"num_classes": 2}, {"in_chans": 1}, {}])
def test_weights_are_known_under_a_new_head(changed):
    held = weights_held(skinseg.create_model("egeunet", pretrained=True, **changed))
    assert held.startswith("egeunet.isic2017, sha256 ")
    network = skinseg.create_model("egeunet", pretrained=True)
    with torch.no_grad():
        next(network.parameters()).add_(1)
    assert weights_held(network) == "random weights"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (with_another_block, "missing.*unexpected"),
        (with_another_module, r"missing \(head.bias, head.weight\).*unexpected"),
        (with_other_widths, "2 of another shape"),
    ],
)
def test_a_changed_network_is_refused(change, says, tmp_path):
    host = change(skinseg.create_model("basic_unet"))
    for write in (
        lambda: host.save_pretrained(tmp_path / "folder"),
        lambda: skinseg.push_to_hub(host, "org/name"),
    ):
        with pytest.raises(TypeError, match=f"was changed since it was created.*{says}"):
            write()
    assert list(tmp_path.iterdir()) == []


def test_cards_of_names_in_other_alphabets_and_of_all_scores(tmp_path):
    metrics = [
        {"data": "皮膚データ", "images": 7, "pooled_iou": 1, "pooled_dice": 0.5},
        {"data": "Piel café", "images": 9, "pooled_iou": float("nan"), "accuracy": 0.25},
    ]
    mine = PretrainedCfg(
        architecture="egeunet", tag="x", training_data={"name": "Кожа"}, metrics=metrics
    )
    record = saved(skinseg.create_model("egeunet"), tmp_path, record=mine)
    assert record.metrics[1]["pooled_iou"] is None
    assert "NaN" not in (tmp_path / "config.json").read_text()
    card = ModelCard.load(tmp_path / "README.md")
    found = {
        (r.dataset_type, r.dataset_name, r.metric_type): r.metric_value
        for r in (card.data.eval_results)
    }
    assert found == {
        ("data-4e1e6212", "皮膚データ", "pooled_iou"): 1.0,
        ("data-4e1e6212", "皮膚データ", "pooled_dice"): 0.5,
        ("piel-cafe", "Piel café", "accuracy"): 0.25,
    }
    assert card.data.datasets and all(card.data.datasets)
    assert "| Lesion IoU, pooled | 1.0000 |" in card.text
    assert "| Lesion IoU, pooled | not defined |" in card.text
    assert "images 7" in card.text
