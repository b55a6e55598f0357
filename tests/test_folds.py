"""Cross-validation: groups, folds, and the ensemble of their networks as one network."""

import csv
import json
import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from command import run
from safetensors.torch import load_file

import skinseg
from skinseg import registry
from skinseg.data import (
    DatasetError,
    FolderDataset,
    SyntheticDermoscopy,
    read_groups,
    write_png,
)
from skinseg.evaluation import evaluate
from skinseg.models import Ensemble
from skinseg.models.ensemble import mean_logits
from skinseg.planning import plan_folds, plan_training
from skinseg.planning.survey import survey
from skinseg.reports import summarize_folds
from skinseg.training import save_ensemble

SMALL = ("--model", "basic_unet_sab", "--size", 32, "--epochs", 2, "--batch-size", 4)


# --- groups --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("x,1\ny,2\n", {"x": "1", "y": "2"}),
        ("\ufeffimage;patient\r\nx.JPG;Frau Ä\r\n\r\ny.png;7\r\n", {"x": "Frau Ä", "y": "7"}),
        ("x\tp 1\ny\tp 1\n", {"x": "p 1", "y": "p 1"}),
        ('"a, left.jpg",p,ignored\n', {"a, left": "p", "a, left.jpg": "p"}),
        ("anna/x.png,1\nbert/x.PNG,2\n", {"anna/x": "1", "bert/x": "2"}),
        ("anna\\x.v2.png,1\nbert\\x,2\n", {"anna/x.v2": "1", "bert/x": "2"}),
        ("image,patient\nphotos/x.png,1\nphotos/y.png,2\n", {"x": "1", "y": "2"}),
    ],
)
def test_groups_of_a_file(tmp_path, content, expected):
    file = tmp_path / "patients.csv"
    file.write_text(content, encoding="utf-8")
    assert expected.items() <= read_groups(file).items()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "Cannot read the groups"),
        (b"\xff\xfe\x00", "Cannot read the groups"),
        (b"\n", "holds no groups"),
        (b"x,1\ny\n", "Line 2 of .* names no group"),
        (b"[" + b"x" * 200_000, "Cannot read the groups in .* field larger than"),
        (b"x.jpg,1\nx,2\n", "puts 'x' into two groups, '1' and '2'"),
    ],
)
def test_groups_that_cannot_be_read(tmp_path, content, message):
    file = tmp_path / "patients.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        read_groups(file)


def test_a_bare_name_in_two_groups_is_in_none(tmp_path):
    (tmp_path / "patients.csv").write_text("anna/x.png,1\nbert/x.png,2\nbert/y.png,2\n")
    groups = read_groups(tmp_path / "patients.csv")
    assert "x" not in groups
    assert groups["y"] == "2"


def test_groups_of_images_in_folders(tmp_path):
    for kind, patient in product(("images", "masks"), ("anna", "bert")):
        (tmp_path / kind / patient).mkdir(parents=True)
        for name in "xy":
            write_png(tmp_path / kind / patient / f"{name}.png", np.eye(4, dtype=bool))
    dataset = FolderDataset(tmp_path)
    lines = [f"{name}.png,{name.partition('/')[0]}" for name in dataset.ids]
    (tmp_path / "patients.csv").write_text("\n".join(lines))
    for train, val in dataset.folds(2, groups=read_groups(tmp_path / "patients.csv")):
        assert len({name.partition("/")[0] for name in train.ids}) == 1
        assert len({name.partition("/")[0] for name in val.ids}) == 1


# --- folds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [2, 3, 5])
def test_each_group_is_on_one_side_and_each_image_validates_once(count, seed):
    dataset = SyntheticDermoscopy(40, 32)
    rng = np.random.default_rng(seed)
    groups = {name: f"p{rng.integers(12)}" for name in dataset.ids}
    folds = dataset.folds(count, seed, groups)
    assert sorted(name for _, val in folds for name in val.ids) == sorted(dataset.ids)
    for train, val in folds:
        assert not {groups[name] for name in train.ids} & {groups[name] for name in val.ids}
        assert len(train) + len(val) == 40
    sizes = [len(val) for _, val in folds]
    assert max(sizes) - min(sizes) <= max(np.bincount([int(g[1:]) for g in groups.values()]))
    assert [val.ids for _, val in folds] == [v.ids for _, v in dataset.folds(count, seed, groups)]


def test_another_seed_gives_other_folds():
    dataset = SyntheticDermoscopy(20, 32)
    first, second = (dataset.folds(4, seed)[0][1].ids for seed in (0, 1))
    assert first != second


@pytest.mark.parametrize("count", [1, 0, 4])
def test_folds_that_cannot_be(count):
    dataset = SyntheticDermoscopy(9, 32)
    groups = {name: str(number % 3) for number, name in enumerate(dataset.ids)}
    with pytest.raises(DatasetError, match=f"not {count}; there are 9 images in 3 groups"):
        dataset.folds(count, groups=groups)


def test_patients_who_share_a_picture_are_one_group():
    dataset = SyntheticDermoscopy(8, 64)
    found = survey(dataset, progress=False)
    # As if the picture of patient 3 were that of patient 0.
    found.groups[7] = found.groups[0]
    given = {name: f"patient {number // 2}" for number, name in enumerate(dataset.ids)}
    merged = found.group_of({**given, "somebody else": "x"})
    first, last = dataset.ids[:2], dataset.ids[6:]
    assert len({merged[name] for name in (*first, *last)}) == 1
    assert len(set(merged.values())) == 3
    assert len(set(found.group_of().values())) == 7
    with pytest.raises(DatasetError, match=r"groups lacks 8 of 8 ids: '\w+', "):
        found.group_of({})


def test_a_single_split_keeps_patients_together_too():
    dataset = SyntheticDermoscopy(12, 64)
    groups = {name: str(number // 4) for number, name in enumerate(dataset.ids)}
    for seed in range(4):
        options = {"groups": groups, "progress": False, "seed": seed, "epochs": 1}
        plan = plan_training(dataset, "malunet", **options)
        assert not {groups[n] for n in plan.train} & {groups[n] for n in plan.validation}
    assert any("of 3 groups" in choice.reason for choice in plan.choices)
    with pytest.raises(ValueError, match="groups are for a split of the data"):
        plan_training(dataset, "malunet", val_set=dataset, groups=groups, progress=False)
    with pytest.raises(ValueError, match="val_fraction is for a split of the data"):
        plan_training(dataset, "malunet", val_set=dataset, val_fraction=0.3, progress=False)


def test_all_folds_have_one_size_and_one_beginning(monkeypatch):
    # Between the folds lies the number of images from which training begins from scratch.
    monkeypatch.setattr("skinseg.planning.choices._PRETRAINED_BELOW", 8)
    dataset = SyntheticDermoscopy(11, 64)
    plans = plan_folds(dataset, "malunet", 4, progress=False)
    assert {len(plan.train) for plan in plans} == {8, 9}
    assert len({(plan.weights, plan.recipe.size) for plan in plans}) == 1


# --- the ensemble --------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_mean_of_probabilities(classes):
    logits = torch.randn(4, 2, classes, 5, 5, dtype=torch.float64) * 5

    def probability(x, axis):
        return x.sigmoid() if classes == 1 else x.softmax(axis)

    mean = probability(logits, 2).mean(0)
    torch.testing.assert_close(probability(mean_logits(logits), 1), mean)
    assert mean_logits(torch.full((2, 1, classes, 1, 1), 200.0)).isfinite().all()


def test_an_ensemble_is_saved_loaded_and_predicts(tmp_path):
    networks = []
    for name in "ab":
        networks.append(skinseg.create_model("basic_unet", channels=(4, 4, 8, 8, 8, 8)).eval())
        networks[-1].save_pretrained(tmp_path / name)
    save_ensemble([tmp_path / "a", tmp_path / "b"], tmp_path / "both")
    both = skinseg.create_model(f"local-dir:{tmp_path / 'both'}").eval()
    assert isinstance(both, Ensemble)
    x = torch.rand(2, 3, 64, 48)
    expected = torch.stack([network(x).sigmoid() for network in networks]).mean(0)
    torch.testing.assert_close(both(x).sigmoid(), expected)
    assert both.pretrained_cfg.num_params == 2 * sum(p.numel() for p in networks[0].parameters())
    both.save_pretrained(tmp_path / "again")
    again = skinseg.create_model(f"local-dir:{tmp_path / 'again'}", in_chans=1, num_classes=2)
    assert again(x[:, :1]).shape == (2, 2, 64, 48)
    both.reset_classifier(2)
    assert both(x).shape == (2, 2, 64, 48)
    both.save_pretrained(tmp_path / "of_two_classes")
    reloaded = skinseg.create_model(f"local-dir:{tmp_path / 'of_two_classes'}").eval()
    torch.testing.assert_close(reloaded(x), both(x))
    with pytest.raises(TypeError, match="ensemble has no feature maps"):
        skinseg.create_model(f"local-dir:{tmp_path / 'both'}", features_only=True)
    assert "ensemble" not in skinseg.list_models()


def test_members_may_be_of_several_architectures(tmp_path):
    small = skinseg.create_model("basic_unet", channels=(4, 4, 8, 8, 8, 8)).eval()
    networks = {"a": small, "b": skinseg.create_model("lbunet").eval()}
    for name, network in networks.items():
        network.save_pretrained(tmp_path / name)
    save_ensemble([tmp_path / name for name in networks], tmp_path / "both")
    both = skinseg.create_model(f"local-dir:{tmp_path / 'both'}").eval()
    assert both.config["architecture"] == ["basic_unet", "lbunet"]
    x = torch.rand(2, 3, 64, 48)
    expected = torch.stack([network(x).sigmoid() for network in networks.values()]).mean(0)
    torch.testing.assert_close(both(x).sigmoid(), expected)
    both.save_pretrained(tmp_path / "again")
    again = skinseg.create_model(f"local-dir:{tmp_path / 'again'}", in_chans=1, num_classes=2)
    assert again(x[:, :1]).shape == (2, 2, 64, 48)
    both.reset_classifier(2)
    assert both(x).shape == (2, 2, 64, 48)


def test_members_of_one_architecture_may_have_arguments_of_their_own(tmp_path):
    widths = [(4, 4, 8, 8, 8, 8), (4, 4, 8, 8, 8, 16)]
    for name, channels in zip("ab", widths, strict=True):
        skinseg.create_model("basic_unet", channels=channels).save_pretrained(tmp_path / name)
    save_ensemble([tmp_path / "a", tmp_path / "b"], tmp_path / "both")
    both = skinseg.create_model(f"local-dir:{tmp_path / 'both'}")
    assert [member.config["channels"][-1] for member in both.members] == [8, 16]


def test_the_ensemble_that_ships_has_the_members_of_a_new_one():
    cfg = skinseg.get_pretrained_cfg("ensemble")
    new, trained = (skinseg.create_model("ensemble", pretrained=p) for p in (False, True))
    shapes = [{k: v.shape for k, v in net.state_dict().items()} for net in (new, trained)]
    assert shapes[0] == shapes[1]
    assert cfg.training_data["members"] == ", ".join(
        f"{name}.isic2017" for name in new.config["architecture"]
    )


def test_members_that_do_not_go_together_are_refused(tmp_path):
    for name in "ab":
        skinseg.create_model("basic_unet", channels=(4,) * 6).save_pretrained(tmp_path / name)
    config = json.loads((tmp_path / "b/config.json").read_text())

    def refused(message: str, **changes: object) -> None:
        (tmp_path / "b/config.json").write_text(json.dumps({**config, **changes}))
        with pytest.raises(ValueError, match=message):
            save_ensemble([tmp_path / "a", tmp_path / "b"], tmp_path / "both")
        assert not (tmp_path / "both").exists()

    refused(r"'.*b' has input_size \(3, 96, 96\), .*agree in it", input_size=[3, 96, 96])
    refused(r"'.*b' has threshold 0.4, '.*a' 0.5; members", threshold=0.4)
    half = {"kind": "mean_std", "mean": [0.5] * 3, "std": [0.5] * 3}
    refused("'.*b' has normalization .*mean_std", normalization=half)
    refused("basic_unet has another num_classes", model_args={"num_classes": 2})
    refused("'.*b' holds smp:Unet; members", architecture="smp:Unet")


def test_members_whose_weights_are_not_their_own_are_refused(tmp_path):
    for name, channels in (("a", (4,) * 6), ("b", (4,) * 6), ("c", (8,) * 6)):
        skinseg.create_model("basic_unet", channels=channels).save_pretrained(tmp_path / name)

    def refused(message: str) -> None:
        with pytest.raises(skinseg.CheckpointError, match=message):
            save_ensemble([tmp_path / "a", tmp_path / "b"], tmp_path / "both")
        assert not (tmp_path / "both").exists()

    shutil.copy(tmp_path / "a/model.safetensors", tmp_path / "b")
    refused("b/model.safetensors is not the file of the record basic_unet: its sha256 is")
    shutil.copy(tmp_path / "c/model.safetensors", tmp_path / "b")
    config = json.loads((tmp_path / "b/config.json").read_text())
    (tmp_path / "b/config.json").write_text(json.dumps({**config, "sha256": None}))
    refused("the weights of .*b/model.safetensors do not fit BasicUNet")


def test_members_may_come_one_by_one_but_not_alone(tmp_path):
    skinseg.create_model("basic_unet", channels=(4,) * 6).save_pretrained(tmp_path / "a")
    with pytest.raises(TypeError, match=f"several folders, not one, '{tmp_path}/a'"):
        save_ensemble(tmp_path / "a", tmp_path / "both")
    record = save_ensemble((tmp_path / name for name in "aa"), tmp_path / "both")
    assert record.model_args["members"] == 2


def test_weights_in_half_precision_stay_so_in_an_ensemble(tmp_path):
    skinseg.create_model("basic_unet", channels=(4,) * 6).half().save_pretrained(tmp_path / "a")
    save_ensemble([tmp_path / "a"], tmp_path / "both")
    state = load_file(tmp_path / "both/model.safetensors")
    assert {value.dtype for value in state.values()} == {torch.float16}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"architecture": "egeunet.isic2017"}, "architecture alone, 'egeunet', or .*save_ensemble"),
        ({"architecture": ["basic_unet", "egeunet.no"]}, "'egeunet.no' is a name of weights"),
        ({"members": 0}, "members must be a positive integer, not 0"),
        ({"model_args": [{}]}, "must be a mapping, that of every basic_unet"),
        ({"architecture": []}, "members is None, and architecture names 0"),
        ({"architecture": ["basic_unet"], "members": 2}, "members is 2, and architecture names 1"),
        ({"architecture": ["basic_unet"], "model_args": {}}, "sequence of 1 mapping, one per"),
        ({"architecture": ["basic_unet"] * 2, "model_args": [{}]}, "sequence of 2 mappings"),
    ],
)
def test_an_ensemble_says_what_is_wrong_with_its_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Ensemble(**{"architecture": "basic_unet", **arguments})


def test_a_member_without_head_and_first_convolution_is_refused(monkeypatch):
    monkeypatch.setattr(registry, "_entrypoints", dict(registry._entrypoints))

    @registry.register_model
    def a_convolution(*, in_chans=3, num_classes=1):
        return torch.nn.Conv2d(in_chans, num_classes, 1)

    with pytest.raises(ValueError, match="'a_convolution' makes a Conv2d, and members"):
        Ensemble(["a_convolution", "basic_unet"])


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder of 12 pictures of 4 patients, and a cross-validation of two folds."""
    folder = tmp_path_factory.mktemp("folds")
    run("synth", folder / "data", "--count", 12, "--size", 48, "-q")
    lines = [f"synthetic_{number}.png,patient {number // 3}" for number in range(12)]
    (folder / "patients.csv").write_text("image,patient\n" + "\n".join(lines))
    result = run(*command(folder, folder / "run"))
    assert result.exit_code == 0, result.output
    assert "Fold 2 of 2" in result.stdout
    assert "Use the ensemble: skinseg predict" in result.stdout
    return folder


def command(folder: Path, out: Path, *others: object) -> tuple[object, ...]:
    data = ("--data", folder / "data", "--folds", 2, "--groups", folder / "patients.csv")
    return ("train", *data, "--output", out, *SMALL, *others)


def test_what_a_cross_validation_leaves(made, tmp_path):
    out = made / "run"
    plans = [json.loads((out / f"fold{n}/plan.json").read_text()) for n in (1, 2)]
    for plan in plans:
        sides = [{name.split("_")[1] for name in plan[part]} for part in ("train", "validation")]
        patients = [{int(number) // 3 for number in side} for side in sides]
        assert not patients[0] & patients[1]
        assert len(patients[0] | patients[1]) == 4
    summary = json.loads((out / "folds.json").read_text())
    ious = [fold["scores"]["pooled_iou"] for fold in summary["folds"]]
    assert summary["over_folds"]["pooled_iou"]["mean"] == pytest.approx(np.mean(ious))
    assert summary["over_folds"]["pooled_iou"]["std"] == pytest.approx(np.std(ious, ddof=1))
    assert summary["out_of_fold"]["images"] == 12
    with open(out / "per_image.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    dice = np.mean([float(row["dice"]) for row in rows])
    assert summary["out_of_fold"]["scores"]["mean_dice"]["value"] == pytest.approx(dice)
    page = (out / "report.html").read_text(encoding="utf-8")
    for text in ("basic_unet_sab, 2 folds", "fold2/report.html", "has learned from every image"):
        assert text in page


def test_folds_that_keep_the_last_epoch_say_so(made, tmp_path):
    out = tmp_path / "run"
    recipe = skinseg.training.get_recipe("skinseg", keep="last", early_stop=1)
    (tmp_path / "last.json").write_text(json.dumps(recipe.to_dict()))
    others = ("--recipe", tmp_path / "last.json", "--epochs", 1, "--from-scratch", "-q")
    assert run(*command(made, out, *others)).exit_code == 0
    record = skinseg.hub.read_local_dir(out)
    assert record.training_data["epoch_chosen_by"] == (
        "nothing; the last one of each fold is kept, and its validation images could end the run "
        "early"
    )
    assert record.metrics[0]["data"].endswith("did not learn from and that could end the run early")
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<b>the validation images could end the run early</b>" in page


def test_the_ensemble_is_one_model_for_the_command_line(made, tmp_path):
    source = f"local-dir:{made / 'run'}"
    picture = made / "data/images/synthetic_0.png"
    masks = tmp_path / "masks"
    assert run("predict", picture, "--model", source, "-o", masks, "-q").exit_code == 0
    members = [skinseg.Predictor(f"local-dir:{made / 'run'}/fold{n}") for n in (1, 2)]
    found = skinseg.Predictor(source)(picture)
    assert found.probability.shape == (48, 48)
    own = [member(picture).probability for member in members]
    assert (found.probability <= np.maximum(*own) + 0.02).all()
    assert (found.probability >= np.minimum(*own) - 0.02).all()
    record = json.loads(run("info", source, "--json").stdout)["weights"]
    assert record["training_data"]["images"] == 12
    assert record["metrics"][0]["images"] == 12


def test_an_interrupted_cross_validation_goes_on_to_the_same_networks(made, tmp_path, monkeypatch):
    out, train = tmp_path / "run", skinseg.training.train

    def interrupted(*arguments, **options):
        if "fold2" in str(arguments[3]):
            raise KeyboardInterrupt
        return train(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr("skinseg.training.train", interrupted)
        stopped = run(*command(made, out, "-q"))
    assert stopped.exit_code == 130
    assert "--resume goes on" in stopped.stderr
    assert not (out / "model.safetensors").exists()
    before = (out / "fold1/model.safetensors").stat().st_mtime_ns
    refused = run(*command(made, out, "-q"))
    assert (refused.exit_code, "--resume goes on with it" in refused.stderr) == (2, True)
    resumed = run("train", "--data", made / "data", "--output", out, "--resume", "-q")
    assert resumed.exit_code == 0, resumed.output
    assert (out / "fold1/model.safetensors").stat().st_mtime_ns == before
    whole, parts = (load_file(place / "model.safetensors") for place in (made / "run", out))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_dry_run_of_folds_writes_nothing(made, tmp_path):
    result = run(*command(made, tmp_path / "run", "--dry-run"))
    assert result.exit_code == 0, result.output
    assert "per fold (two steps were timed)" in result.stdout
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--folds", 0), "--folds must be 2 or more, not 0"),
        (("--folds", 1), "--folds must be 2 or more, not 1"),
        (("--folds", 5), "--folds must be 2 or more, and no more than the groups"),
        (("--val-fraction", 0.3), "--val-fraction does not go with --folds"),
        (("--val", "data"), "--val does not go with --folds"),
        (("--groups", "none.csv"), "Cannot read the groups in 'none.csv'"),
        (("--groups", "few.csv"), "--groups lacks 11 of 12 ids"),
    ],
)
def test_wrong_use_is_explained_and_writes_nothing(made, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    Path("few.csv").write_text("synthetic_0,1\n")
    result = run(*command(made, Path("run"), "-q", *options))
    assert result.exit_code == 2
    assert message in result.stderr
    assert not Path("run").exists()


def test_a_resumed_run_keeps_its_number_of_folds(made, tmp_path):
    shutil.copytree(made / "run", tmp_path / "run")
    result = run(*command(made, tmp_path / "run", "--resume", "--folds", 3))
    assert (result.exit_code, "was begun with --folds 2, not 3" in result.stderr) == (2, True)
    (tmp_path / "plain").mkdir()
    shutil.copy(made / "run/fold1/checkpoint.pt", tmp_path / "plain")
    result = run(*command(made, tmp_path / "plain", "--resume"))
    assert (result.exit_code, "holds a training run without folds" in result.stderr) == (2, True)


def test_scores_are_of_the_fold_that_left_an_image_out(made):
    dataset = skinseg.data.open_dataset(made / "data")
    folders = [made / "run" / f"fold{number}" for number in (1, 2)]
    plans = [json.loads((folder / "plan.json").read_text()) for folder in folders]
    results = [
        evaluate(
            skinseg.Predictor(f"local-dir:{folder}"),
            dataset.subset(plan["validation"]),
            sizes=("own",),
            bootstrap=0,
            progress=False,
        )
        for folder, plan in zip(folders, plans, strict=True)
    ]
    found = summarize_folds(folders, results)
    written = json.loads((made / "run/folds.json").read_text())
    assert found.folds == written["folds"]
    ids = [case.id for part in found.cases for case in part]
    assert sorted(ids) == sorted(dataset.ids)
