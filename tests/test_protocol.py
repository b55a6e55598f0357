"""Every network trained by one protocol: what comes next, what is kept, what the page says."""

import csv
import dataclasses
import json
import shlex

import numpy as np
import pytest
from PIL import Image

from benchmarks.plots.labels import Box, Labels
from benchmarks.protocol import compare, jobs, networks, networks_plot, protocol, records
from benchmarks.protocol.jobs import RATES, SEEDS, Job
from benchmarks.weights import train_run
from benchmarks.weights.runs import LONG_RATES, RUNS, without_halts
from skinseg.data import synthetic_lesion
from skinseg.models import CATALOG

LIGHT = ["ucmnet", "unext_s"]


class Done:
    """Progress that is kept in memory; trials like one rate best."""

    def __init__(self, best=3e-3):
        self.best, self.names = best, []

    def finish(self, job):
        self.names.append(job.name)

    def trial_score(self, job):
        found = job.name in self.names
        return 1 - abs(np.log(job.rate / self.best)) / 10 if found else None

    def is_done(self, job):
        return job.name in self.names


def train_all(progress, wanted, failing=()):
    failed = set()
    while job := next(jobs.pending(progress, wanted, failed), None):
        if job.name in failing:
            failed.add(job.name)
        else:
            progress.finish(job)
    return progress.names


def test_the_first_seed_of_all_comes_before_the_second_of_any_and_the_cheapest_first():
    order = jobs.order()
    seeds = [seed for _, seed in order]
    assert seeds == sorted(seeds)
    costs = [CATALOG[name]["macs"] for name, seed in order if seed == 0]
    assert costs == sorted(costs) and len(costs) == len(jobs.networks())
    several = {name for name, seed in order if seed == SEEDS[-1]}
    assert several == {n for n in jobs.networks() if CATALOG[n]["parameters"] < 2_000_000}
    assert not several & {"unet", "basic_unet_dga"} and "malunet" in several


def test_every_training_differs_in_network_seed_and_learning_rate_alone():
    recipes = {
        tuple(
            (key, value)
            for key, value in Job(name, 1e-3, seed).run.recipe.to_dict().items()
            if key not in ("seed", "channels_last", "augmentation", "normalization", "aux_weights")
        )
        for name, seed in jobs.order()
    }
    assert len(recipes) == 1
    recipe = dict(recipes.pop())
    assert recipe["keep"] == "last" and recipe["epochs"] == 75 and recipe["learning_rate"] == 1e-3
    assert Job("unet", 1e-3, 2).run.recipe.seed == 2 and Job("unet", 1e-3, 0).run.split == "paper73"
    assert Job("unet", 1e-3).run.split == "paper73_part"


@pytest.mark.parametrize(
    ("best", "tried"), [(3e-3, (1e-3, 3e-3, 1e-2)), (1e-2, (1e-3, 3e-3, 1e-2)), (1e-4, RATES[:3])]
)
def test_a_family_tries_three_rates_and_trains_with_the_best(best, tried):
    names = train_all(Done(best), ["ucmnet"])
    chosen = min(tried, key=lambda rate: abs(np.log(rate / best)))
    assert set(names[:3]) == {f"rate-ucmnet-{rate:g}" for rate in tried}
    assert names[3:] == [f"protocol-ucmnet-{seed}" for seed in SEEDS]
    progress = Done(best)
    progress.names = names
    assert jobs.chosen_rate("ucmnet", progress) == chosen


def test_the_cheapest_network_tries_for_its_family():
    names = train_all(Done(), ["unext"])
    assert names[:3] == ["rate-unext_s-0.001", "rate-unext_s-0.003", "rate-unext_s-0.01"]
    assert names[3:] == [f"protocol-unext-{seed}" for seed in SEEDS]
    plain = train_all(Done(), ["unet_1024"])
    assert plain[:2] == ["rate-unet-0.001", "rate-unet-0.003"]
    six_stage = train_all(Done(), ["malunet", "egeunet"])
    assert not [name for name in six_stage if name.startswith("rate")]


def test_a_network_that_collapsed_at_its_family_s_rate_has_the_next_best():
    progress = Done(best=1e-2)
    train_all(progress, ["mkunet_t", "mkunet"])
    assert jobs.chosen_rate("mkunet_t", progress) == 1e-2
    assert jobs.chosen_rate("mkunet", progress) == 3e-3


def test_longer_runs_have_the_rates_that_the_protocol_chose(tmp_path):
    kept = records.Records(tmp_path)
    assert {name: jobs.chosen_rate(name, kept) for name in LONG_RATES} == LONG_RATES


def test_the_hours_of_a_run_leave_out_when_it_was_halted():
    # Beside another run it is slower; two machines differ.
    busy = [10.0] * 8 + [25.0] * 3 + [9.0] * 4 + [30.0] * 8
    assert without_halts(busy) == busy
    halted = [*busy[:5], 900.0, *busy[6:-1], 7263.0]
    assert without_halts(halted) == busy


def test_names_in_the_plot_cover_nothing_and_stay_inside():
    frame = Box(0, 0, 300, 200)
    points = [(20.0 + 37 * (i % 8), 20.0 + 23 * (i // 2)) for i in range(15)]
    labels = Labels(frame, points, [points[:4]])
    names = [f"net{i}" for i in range(len(points))]
    found = [labels.place(*pair, always=False) for pair in zip(names, points, strict=True)]
    boxes = [
        Box(place[0], place[1] - 9, place[0] + 6.5 * len(name), place[1] + 3)
        for name, place in zip(names, found, strict=True)
        if place
    ]
    assert len(boxes) > len(points) / 2
    assert all(box.within(frame) for box in boxes)
    assert not any(a.overlap(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(box.distance(point) > 0 for box in boxes for point in points)
    crowded = [(150.0 + x, 100.0 + y) for x in range(-60, 61, 4) for y in range(-40, 41, 4)]
    labels = Labels(frame, crowded, [])
    assert labels.place("network", (150, 100), always=False) is None
    assert labels.place("network", (150, 100), always=True) is not None


def test_what_fails_is_left_out_and_nothing_else():
    names = train_all(Done(), LIGHT, failing=["rate-ucmnet-0.003", "protocol-unext_s-1"])
    assert names == [
        *("rate-ucmnet-0.001", "rate-unext_s-0.001", "rate-unext_s-0.003", "rate-unext_s-0.01"),
        *("protocol-unext_s-0", "protocol-unext_s-2"),
    ]


def test_runs_with_the_same_recipe_count(monkeypatch):
    for network in ("malunet", "egeunet"):
        for seed in (0, 1):
            folder = records.trained_before(Job(network, 3e-3, seed))
            assert folder.name == f"paper73-{network}-skinseg-{seed}"
            recipe = RUNS[folder.name].recipe
            ours = dataclasses.replace(Job(network, 3e-3, seed).run.recipe, channels_last=False)
            assert dataclasses.replace(recipe, channels_last=False) == ours
    assert records.trained_before(Job("malunet", 1e-3, 0)) is None
    assert records.trained_before(Job("malunet", 3e-3, 2)) is None
    assert records.trained_before(Job("basic_unet", 3e-3, 0)) is None


def test_a_job_is_one_process_s_alone_until_it_is_done_or_given_up(tiny):
    tmp_path = tiny / "runs"
    found, other = records.Records(tmp_path), records.Records(tmp_path)
    job, next_job = Job("ucmnet", 1e-3), Job("ucmnet", 3e-3)
    with found.claim(job) as ours, other.claim(job) as theirs, other.claim(next_job) as free:
        assert (ours, theirs, free) == (True, False, True)
    with other.claim(job) as given_up:
        assert given_up
        other.write(job, {"rate": job.rate})
    with found.claim(job) as done:
        assert not done


def test_epochs_count_that_a_run_can_go_on_from(tmp_path):
    job = Job("unet", 1e-3, 0)
    run = tmp_path / job.name
    run.mkdir()
    (run / "log.json").write_text("[{}, {}]")
    assert records.Records(tmp_path).epochs_done(job) == 0
    (run / "checkpoint.pt").touch()
    assert records.Records(tmp_path).epochs_done(job) == 2


def test_a_process_waits_for_what_others_find(monkeypatch, tiny):
    found = records.Records(tiny / "runs")
    trained = []

    def do(job, records, data, device):
        trained.append(job.name)
        records.write(job, {"rate": job.rate, "held_out_iou": 0.5})

    monkeypatch.setattr(protocol, "do", do)
    held = Job("ucmnet", 1e-3)
    waiting = found.claim(held)
    assert waiting.__enter__()

    def the_other_process_ends(seconds):
        assert trained == ["rate-ucmnet-0.003"]
        found.write(held, {"rate": held.rate, "held_out_iou": 0.6})
        waiting.__exit__(None, None, None)

    monkeypatch.setattr(protocol.time, "sleep", the_other_process_ends)
    assert not protocol.train_all(found, tiny, "cpu", ["ucmnet"])
    assert trained[1:] == ["rate-ucmnet-0.0003", *(f"protocol-ucmnet-{seed}" for seed in SEEDS)]


def test_weights_that_ship_have_the_family_s_rate_and_the_official_images():
    order = jobs.order(jobs.OFFICIAL)
    assert {seed for _, seed in order} == {0} and ("malunet", 0) in order
    assert "unet" not in dict(order)
    progress = Done()
    for job in iter(lambda: next(jobs.pending(progress, LIGHT, (), jobs.OFFICIAL), None), None):
        progress.finish(job)
    assert progress.names[3] == "shipped-ucmnet-0" and progress.names[-1] == "shipped-unext_s-0"
    run = Job("ucmnet", 3e-3, 0, jobs.OFFICIAL).run
    assert (run.split, run.recipe.keep, run.recipe.learning_rate) == ("official", "best", 3e-3)


def test_a_run_that_goes_on_elsewhere_says_so(monkeypatch, tmp_path):
    here = {"commit": "a", "uncommitted": [], "torch": "2", "hardware": "one", "threads": 1}
    origin = tmp_path / "run" / "provenance.json"
    for change in ({}, {"threads": 2}, {"hardware": "two"}, {"hardware": "two"}, {}):
        monkeypatch.setattr(train_run, "provenance", lambda change=change: {**here, **change})
        train_run._note_origin(origin.parent, None)
        (origin.parent / "log.json").write_text("[{}, {}]")
        (origin.parent / "checkpoint.pt").touch()
    noted = json.loads(origin.read_text())
    assert (noted["run"], noted["hardware"]) == ("run", "one")
    later = [(part["hardware"], part["after_epochs"]) for part in noted["continued_by"]]
    assert later == [("two", 2), ("one", 2)]
    (origin.parent / "checkpoint.pt").unlink()
    train_run._note_origin(origin.parent, None)
    assert "continued_by" not in json.loads(origin.read_text())


def write_split(folder, name, ids):
    (folder / f"paper73_{name}.txt").write_text("".join(f"{id}\n" for id in ids))


@pytest.fixture(scope="module")
def isic(tmp_path_factory):
    """Twelve small images in the layout of ISIC 2017, ten of them to learn from."""
    root = tmp_path_factory.mktemp("isic")
    ids = [f"ISIC_{number:07}" for number in range(14)]
    for split, part in {"Training": ids[:12], "Validation": ids[12:]}.items():
        images = root / f"ISIC-2017_{split}_Data"
        masks = root / f"ISIC-2017_{split}_Part1_GroundTruth"
        images.mkdir()
        masks.mkdir()
        for id in part:
            image, mask = synthetic_lesion(int(id[5:]), (48, 48))
            Image.fromarray(image).save(images / f"{id}.png")
            Image.fromarray(mask.astype(np.uint8) * 255).save(masks / f"{id}_segmentation.png")
    splits = root / "splits"
    splits.mkdir()
    write_split(splits, "train", ids[:10])
    write_split(splits, "test", ids[10:])
    with (splits / "near_duplicates.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id1", "id2"), (ids[0], ids[13])])
    return root


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """A protocol of one epoch, whose records and page are in a folder of their own."""
    recipe = dataclasses.replace(jobs.RECIPE, epochs=1, size=32, batch_size=4)
    for module in (jobs, records, networks):
        monkeypatch.setattr(module, "RECIPE", recipe)
    monkeypatch.setattr(jobs, "TRIAL_EPOCHS", 1)
    for module in (records, networks):
        monkeypatch.setattr(module, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(networks, "RESULTS", tmp_path / "networks")
    records._earlier_runs.cache_clear()
    yield tmp_path
    records._earlier_runs.cache_clear()


def command(monkeypatch, isic, runs, *networks):
    arguments = ["protocol.py", "--data", str(isic), "--runs", str(runs), "--networks", *networks]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as end:
        protocol.main()
    return end.value.code


def test_the_protocol_goes_on_where_it_stopped_and_writes_the_page(monkeypatch, isic, tiny, capfd):
    runs, trained = tiny / "runs", []
    original = protocol.train_run

    def stop_at_the_fifth(name, *arguments, **options):
        if len(trained) == 4:
            raise KeyboardInterrupt
        trained.append(name)
        return original(name, *arguments, **options)

    monkeypatch.setattr(protocol, "train_run", stop_at_the_fifth)
    with pytest.raises(KeyboardInterrupt):
        command(monkeypatch, isic, runs, "ucmnet", "egeunet")
    assert trained == [*(f"rate-ucmnet-{r:g}" for r in (1e-3, 3e-3)), *trained[2:]]
    before = {path: path.read_bytes() for path in runs.rglob(records.FILE)}
    monkeypatch.setattr(protocol, "train_run", original)
    assert command(monkeypatch, isic, runs, "ucmnet", "egeunet") == 0
    assert all(path.read_bytes() == content for path, content in before.items())

    data = json.loads((tiny / "networks.json").read_text())
    assert {row["network"] for row in data["networks"]} == {"ucmnet", "egeunet"}
    assert (data["learned"], data["images"]) == (9, 4)
    assert all(row["seeds"] == [0, 1, 2] for row in data["networks"])
    assert data["rates"].keys() == {"ucmnet"} and len(data["rates"]["ucmnet"]["scores"]) == 3
    assert {"network": "unet", "seed": 0, "epochs_done": 0} in data["waiting"]
    page = (tiny / "networks.md").read_text()
    assert page == networks.page(data)
    assert "`ucmnet`" in page and "Not trained yet" in page and "seeds 0, 1 and 2" in page
    assert (tiny / "networks.svg").read_text() == networks_plot.plot(data)

    # The kept records alone give the same page, without the runs.
    (tiny / "networks.json").unlink()
    networks.write(isic, tiny / "no runs")
    assert json.loads((tiny / "networks.json").read_text()) == data


def test_seeds_can_be_chosen(monkeypatch, isic, tiny):
    assert command(monkeypatch, isic, tiny / "runs", "egeunet", "--seeds", "1") == 0
    assert [path.name for path in (tiny / "runs").iterdir()] == ["protocol-egeunet-1"]


def test_what_is_left_is_listed_as_commands(monkeypatch, isic, tiny, capsys):
    runs, options = tiny / "runs of all", ["egeunet", "--seeds", "0", "1"]
    assert command(monkeypatch, isic, runs, "egeunet", "--seeds", "1", "--no-page") == 0
    assert not (tiny / "networks.json").exists()
    places = ["--data", str(isic), "--runs", str(runs)]
    monkeypatch.setattr("sys.argv", ["protocol.py", *places, "--list", "--networks", *options])
    capsys.readouterr()
    protocol.main()
    [line] = capsys.readouterr().out.splitlines()
    python, script, *arguments = shlex.split(line)
    assert (python, script) == ("python", "benchmarks/protocol/protocol.py")
    assert arguments[:4] == places and arguments[-5:] == ["--networks", *options[:3], "--no-page"]
    assert not (runs / "protocol-egeunet-0").exists()


def test_a_network_that_fails_is_reported_and_the_others_are_trained(
    monkeypatch, isic, tiny, capfd
):
    original = protocol.train_run

    def fail(name, *arguments, **options):
        if name == "protocol-egeunet-1":
            raise RuntimeError("out of memory")
        return original(name, *arguments, **options)

    monkeypatch.setattr(protocol, "train_run", fail)
    assert command(monkeypatch, isic, tiny / "runs", "egeunet") == 1
    assert "protocol-egeunet-1 failed: out of memory" in capfd.readouterr().err
    (row,) = json.loads((tiny / "networks.json").read_text())["networks"]
    assert row["seeds"] == [0, 2]


def test_weights_that_ship_are_trained_without_a_page(monkeypatch, isic, tiny):
    recipe = dataclasses.replace(jobs.SHIPPED, epochs=1, size=32, batch_size=4)
    monkeypatch.setattr(jobs, "SHIPPED", recipe)
    runs = tiny / "runs"
    assert command(monkeypatch, isic, runs, "egeunet", "--split", "official") == 0
    record = json.loads((runs / "shipped-egeunet-0" / records.FILE).read_text())
    assert record["metrics"][0]["pooled_iou"] >= 0 and record["split"] == "official"
    assert (runs / "shipped-egeunet-0" / "model.safetensors").is_file()
    assert not (tiny / "networks.json").exists()


def test_a_rate_at_which_training_diverges_is_not_chosen(monkeypatch, isic, tiny):
    def diverge(name, *arguments, **options):
        (tiny / "runs" / name).mkdir()
        raise FloatingPointError("the loss is no longer a number")

    monkeypatch.setattr(protocol, "train_run", diverge)
    found = records.Records(tiny / "runs")
    (tiny / "runs").mkdir()
    protocol.do(Job("ucmnet", 1e-2), found, isic, "cpu")
    assert found.trial_score(Job("ucmnet", 1e-2)) == 0
    with pytest.raises(FloatingPointError):
        protocol.do(Job("ucmnet", 1e-2, 0), found, isic, "cpu")


def made_up(network, quality, seeds=(0,), images=200):
    """Records of a network that finds about ``quality`` of each lesion."""
    found = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        hard = np.random.default_rng(99).uniform(0.6, 1.0, images)
        tp = np.round(1000 * np.clip(quality * hard + rng.normal(0, 0.01, images), 0, 1))
        cases = {
            "id": [f"ISIC_{index}" for index in range(images)],
            "true_positives": tp.tolist(),
            "false_positives": [0] * images,
            "false_negatives": (1000 - tp).tolist(),
            "true_negatives": [3000] * images,
            "hd95": [2.0] * images,
            "surface_dice": [0.9] * images,
        }
        found.append({"network": network, "seed": seed, "cases": cases})
    return compare.Runs.of(found)


def test_intervals_hold_the_scores_and_seeds_are_averaged():
    runs = made_up("a", 0.9, seeds=(0, 1, 2))
    score = compare.summary(runs)["pooled_iou"]
    expected = [np.mean(record["cases"]["true_positives"]) / 1000 for record in runs.records]
    assert score["by_seed"] == pytest.approx(expected)
    assert score["value"] == pytest.approx(np.mean(expected))
    assert score["low"] < score["value"] < score["high"]
    assert compare.summary(runs)["mean_hd95"]["value"] == pytest.approx(2.0)


def test_paired_differences_are_sharper_than_intervals():
    better, worse, same = made_up("better", 0.92), made_up("worse", 0.9), made_up("same", 0.92)
    scores = [compare.summary(runs)["pooled_iou"] for runs in (better, worse)]
    assert scores[0]["low"] < scores[1]["high"]  # The intervals overlap,
    assert compare.difference(better, worse)["low"] > 0  # and the difference is real.
    found = compare.difference(better, same)
    assert found["difference"] == found["low"] == found["high"] == 0


def test_fronts_and_comparisons():
    points = {"a": (1, 0.7), "b": (2, 0.6), "c": (3, 0.8), "d": (3, 0.75), "e": (9, 0.8)}
    assert compare.front(points) == ["a", "c"]
    runs = [made_up(name, quality) for name, quality in [("a", 0.8), ("b", 0.9), ("c", 0.85)]]
    pairs = [(c["one"], c["other"]) for c in compare.comparisons(runs, [["a", "c", "b"]])]
    assert pairs == [("b", "c"), ("b", "a"), ("c", "a")]
    hard = compare.hard_images(runs, count=3)
    assert [image["best_iou"] for image in hard] == sorted(image["best_iou"] for image in hard)
    assert all(image["median_iou"] <= image["best_iou"] for image in hard)


@pytest.mark.parametrize(
    ("qualities", "says"),
    [
        ({"malunet": 0.95, "egeunet": 0.7}, "Its lead over the other one is larger than chance."),
        ({"malunet": 0.9, "egeunet": 0.9}, "could turn its lead over `egeunet`"),
    ],
)
def test_what_the_page_says_of_differences(qualities, says):
    runs = [made_up(name, quality) for name, quality in qualities.items()]
    rows = [
        {
            "network": r.network,
            "parameters": CATALOG[r.network]["parameters"],
            "macs": CATALOG[r.network]["macs"],
            "latency_ms": latency,
            "seeds": [0],
            "scores": compare.summary(r),
        }
        for r, latency in zip(runs, (None, 2.5), strict=True)
    ]
    fronts = {
        cost: compare.front({r["network"]: (r[cost], networks._iou(r)) for r in rows if r[cost]})
        for cost in networks.COSTS
    }
    comparisons = compare.comparisons(runs, list(fronts.values()))
    data = {"networks": rows, "fronts": fronts, "comparisons": comparisons, "images": 200}
    words = "\n".join(networks._words(data))
    assert says in words
    by_latency = words.partition("By latency")[2]
    assert "`egeunet`" in by_latency and "2.5 ms" in by_latency
    assert "`malunet`" not in by_latency.partition("\n\nEach")[0]
