"""The page of all networks trained alike, from what is trained so far.

    python benchmarks/protocol/networks.py --data FOLDER --runs RUNS

keeps the records of finished runs in benchmarks/protocol/scores, scores runs that were trained so
before, and writes docs/results/networks.json, .md and .svg.
"""

import argparse
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.protocol import networks_plot
from benchmarks.protocol.compare import (
    RESAMPLES,
    Runs,
    comparisons,
    front,
    gain,
    hard_images,
    percent,
    summary,
    verdict,
)
from benchmarks.protocol.jobs import (
    COLLAPSED,
    RATES,
    RECIPE,
    SETTLED,
    Job,
    chosen_rate,
    family,
    macs,
    networks,
    order,
    parameters,
    representative,
    trials,
)
from benchmarks.protocol.records import (
    KEPT,
    Record,
    Records,
    run_record,
    trained_before,
    write_record,
)
from benchmarks.protocol.speeds import speed_of
from benchmarks.results import FOLDER, write_result
from skinseg.files import write_text

RESULTS = FOLDER / "networks"
# What a network costs, under its name in a row; not every network's latency was measured.
COSTS = {
    "macs": "multiply-accumulates",
    "parameters": "parameters",
    "latency_ms": "latency, in its fastest form",
}
INTRODUCTION = """# All networks, trained alike

Written by `benchmarks/protocol/networks.py` from `networks.json`. Every network is trained from
random weights by one recipe (`skinseg`: {epochs} epochs of {learned:,} images at {size} pixels,
batches of {batch_size}, AdamW with a cosine, BCE + Dice, flips and rotations, weights averaged with
decay {ema_decay}), and the last epoch is kept. Only the learning rate differs: for each family of
networks it was chosen on 300 of the 1,500 training images, which were then trained on again. No
test image chose anything. Scores are of the lesion on the {images} test images of ISIC 2017 (7:3
split; near-identical images of a test image are not trained on) at 256x256, with the 95 % interval
over images (bootstrap, {resamples:,} resamples) in brackets. Of networks trained with several seeds
each figure is the mean, and the range over seeds stands beside it. Several networks at once, of
those that were trained longer, are [on a page of their own](ensembles.md).

For research; not a medical device.
"""


def collect(data: Path, records: Records, device: str) -> None:
    """Keep the records of everything that is done in the repository."""
    KEPT.mkdir(exist_ok=True)
    jobs = [Job(representative(name), rate) for name in networks() for rate in RATES]
    jobs += [job for job in _trainings(records) if job is not None]
    for job in dict.fromkeys(jobs):
        target = KEPT / f"{job.name}.json"
        record = records.find(job)
        before = trained_before(job) if record is None else None
        if before is not None:
            record = run_record(job, before, data, device)
        if record is not None:
            write_record(target, record)


def _trainings(records: Records) -> list[Job | None]:
    """The job of each network with a seed; None where the learning rate is not chosen yet."""
    found = []
    for network, seed in order():
        rate = chosen_rate(network, records)
        found.append(None if rate is None else Job(network, rate, seed))
    return found


def results(records: Records) -> dict[str, Any]:
    """Everything the page says."""
    done: dict[str, list[Record]] = {}
    waiting = []
    for (network, seed), job in zip(order(), _trainings(records), strict=True):
        record = None if job is None else records.find(job)
        if record is not None:
            done.setdefault(network, []).append(record)
        else:
            epochs = 0 if job is None else records.epochs_done(job)
            waiting.append({"network": network, "seed": seed, "epochs_done": epochs})
    if not done:
        raise SystemExit("no run is finished; train some with benchmarks/protocol/protocol.py")
    runs = [Runs.of(found) for found in done.values()]
    rows = [_row(found) for found in runs]
    fronts = {
        cost: front({row["network"]: (row[cost], _iou(row)) for row in rows if row[cost]})
        for cost in COSTS
    }
    first = runs[0].records[0]
    return {
        "recipe": RECIPE.to_dict(),
        "learned": first["learned"],
        "images": first["images"],
        "resamples": RESAMPLES,
        "networks": rows,
        "fronts": fronts,
        "comparisons": comparisons(runs, list(fronts.values())),
        "hard_images": hard_images(runs),
        "rates": _rates(records),
        "collapsed": {
            name: {"rate": rate, "chosen": chosen_rate(name, records)}
            for name, rate in COLLAPSED.items()
        },
        "waiting": waiting,
    }


def _iou(row: dict[str, Any]) -> float:
    return float(row["scores"]["pooled_iou"]["value"])


def _row(runs: Runs) -> dict[str, Any]:
    trained = [record["trained_by"] for record in runs.records]
    # A run may have gone on on another machine.
    origins = [part for origin in trained for part in (origin, *origin.get("continued_by", []))]
    calibration = [record["scores"]["pooled_ece"]["value"] for record in runs.records]
    speed = speed_of(runs.network)
    return {
        "network": runs.network,
        "parameters": parameters(runs.network),
        "macs": macs(runs.network),
        "latency_ms": speed and speed["fastest_ms"],
        "speed": speed,
        "seeds": [record["seed"] for record in runs.records],
        "rate": runs.records[0]["rate"],
        "scores": summary(runs),
        "pooled_ece": {"value": mean(calibration), "by_seed": calibration},
        "hours": mean(record["hours"] for record in runs.records),
        "hardware": sorted({origin["hardware"] for origin in origins}),
        "commits": sorted({origin["commit"] for origin in origins}),
    }


def _rates(records: Records) -> dict[str, Any]:
    """The trials of each family that has any."""
    found = {}
    for network in networks():
        scores = trials(network, records)
        if scores and family(network) not in SETTLED:
            found[family(network)] = {
                "network": representative(network),
                "scores": {f"{rate:g}": score for rate, score in sorted(scores.items())},
                "chosen": chosen_rate(representative(network), records),
            }
    return found


def page(data: dict[str, Any]) -> str:
    """Return the page made from the figures."""
    settings = {**data["recipe"], **{key: data[key] for key in ("learned", "images", "resamples")}}
    parts = [
        INTRODUCTION.format(**settings),
        "![Pooled IoU over cost](networks.svg)",
        "",
        *_words(data),
        "",
        *_table(data["networks"]),
        "",
        "HD95 in pixels: mean over images of the larger directed 95th percentile distance between "
        "the outlines. Surface Dice: fraction of the outlines within 1 % of the diagonal of each "
        "other. ECE: expected calibration error over all pixels. G: giga multiply-accumulates of "
        "one 256x256 image. Training: hours of all epochs, without those in which the run was "
        "halted; other runs may have used the machine at the same time.",
        *_speed_table(data["networks"]),
        *_rate_table(data["rates"], data["collapsed"]),
        *_hard(data["hard_images"], len(data["networks"])),
        *_waiting(data["waiting"]),
    ]
    return "\n".join(parts) + "\n"


def _table(rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| network | M | G | IoU, pooled | over seeds | Dice, pooled | IoU per image | "
        "Dice per image | HD95 | surface Dice | ECE | learning rate | seeds | training |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda row: -_iou(row)):
        scores = row["scores"]
        cells = [
            f"`{row['network']}`",
            f"{row['parameters'] / 1e6:.3f}",
            f"{row['macs'] / 1e9:.3f}",
            percent(scores["pooled_iou"]),
            _range(scores["pooled_iou"]["by_seed"]),
            *(percent(scores[name]) for name in ("pooled_dice", "mean_iou", "mean_dice")),
            f"{scores['mean_hd95']['value']:.1f}",
            f"{100 * scores['mean_surface_dice']['value']:.1f}",
            f"{100 * row['pooled_ece']['value']:.2f}",
            f"{row['rate']:g}",
            str(len(row["seeds"])),
            f"{row['hours']:.2f} h, {', '.join(row['hardware'])}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _speed_table(rows: list[dict[str, Any]]) -> list[str]:
    """Latency, throughput and memory of the networks that were measured."""
    measured = [row for row in rows if row["speed"]]
    lines = [
        "",
        "## Speed and memory",
        "",
        "On one thread, images of 256x256: milliseconds of one image in the published form and in "
        "the fastest, images per second in batches of eight, and the megabytes that a process "
        "holds at most with torch, and with a runtime that needs none. From [latency](latency.md).",
        "",
        "| network | published, ms | fastest, ms | which | images per second | MB, torch | "
        "MB, runtime |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in sorted(measured, key=lambda row: row["latency_ms"]):
        speed = row["speed"]
        lines.append(
            f"| `{row['network']}` | {speed['published_ms']:.2f} | {speed['fastest_ms']:.2f} | "
            f"{speed['fastest']} | {speed['images_per_second']:.0f} | {speed['torch_mb']:.0f} | "
            f"{speed['runtime_mb']:.0f} |"
        )
    missing = [f"`{row['network']}`" for row in rows if not row["speed"]]
    if missing:
        lines += ["", f"Not measured yet: {_listed(missing)}."]
    return lines


def _range(values: list[float]) -> str:
    if len(values) == 1:
        return ""
    return f"{100 * min(values):.2f} to {100 * max(values):.2f}"


def _words(data: dict[str, Any]) -> list[str]:
    """Which differences are larger than chance, in sentences."""
    rows = {row["network"]: row for row in data["networks"]}
    best = max(rows.values(), key=_iou)
    lead = (
        f"**`{best['network']}` has the highest pooled IoU of the {len(rows)} networks so far, "
        f"{100 * _iou(best):.2f} %.**"
    )
    against = [c for c in data["comparisons"] if c["one"] == best["network"]]
    close = [f"`{c['other']}`" for c in against if c["low"] <= 0]
    if close:
        lead += f" Other images of the same kind could turn its lead over {_listed(close)}."
    if len(close) < len(against):
        lead += f" Its lead over {_others(len(against) - len(close))} is larger than chance."
    lines = [lead]
    for cost, what in COSTS.items():
        names = data["fronts"][cost]
        lines += ["", f"By {what}, no network is both cheaper and better than these:", ""]
        lines += [_step(name, index, names, data) for index, name in enumerate(names)]
    ranges = [
        max(row["scores"]["pooled_iou"]["by_seed"]) - min(row["scores"]["pooled_iou"]["by_seed"])
        for row in rows.values()
        if len(row["seeds"]) > 1
    ]
    if ranges:
        lines += [
            "",
            f"The seeds of one network differ by up to {100 * max(ranges):.2f} points, by "
            f"{100 * mean(ranges):.2f} on average. Intervals are over images alone: take a "
            "difference between networks of one seed each for larger than chance only if it is "
            "also larger than that.",
        ]
    compared = len(data["comparisons"])
    chance = round(compared / 20)
    lines += [
        "",
        f"Each comparison is of the same {data['images']} images (paired bootstrap, 95 %)."
        + (
            f" Of {compared} comparisons about {chance} would look like a difference by chance."
            if chance
            else ""
        ),
    ]
    return lines


def _step(name: str, index: int, names: list[str], data: dict[str, Any]) -> str:
    """A line of a front: the network, and whether it is better than the one before."""
    row = next(row for row in data["networks"] if row["network"] == name)
    latency = f"{row['latency_ms']:.1f} ms, " if row["latency_ms"] else ""
    line = (
        f"- `{name}`: {row['parameters'] / 1e6:.3f} M, {row['macs'] / 1e9:.3f} G, {latency}"
        f"{100 * _iou(row):.2f} %"
    )
    if index == 0:
        return line
    before = names[index - 1]
    found = next(c for c in data["comparisons"] if (c["one"], c["other"]) == (name, before))
    return f"{line}; {gain(found)} over `{before}`, {verdict(found)}"


def _others(count: int) -> str:
    return "the other one" if count == 1 else f"the other {count}"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _rate_table(rates: dict[str, Any], collapsed: dict[str, Any]) -> list[str]:
    lines = [
        "",
        "## Learning rates",
        "",
        "Pooled IoU at 128 pixels on the 300 held-out training images after 10 epochs on the other "
        "1,200, by the cheapest network of each family; 0 where the training diverged. The "
        "six-stage networks (`basic_unet`, `malunet`, `egeunet`) have the rate that was "
        "[chosen with MALUNet](trial_runs.md) on the same images.",
    ]
    if rates:
        lines += [
            "",
            f"| family | tried with | {' | '.join(f'{rate:g}' for rate in RATES)} | chosen |",
            "|---|---|" + "---|" * (len(RATES) + 1),
        ]
    for name, found in rates.items():
        scores = [found["scores"].get(f"{rate:g}") for rate in RATES]
        cells = ["" if score is None else f"{score:.4f}" for score in scores]
        chosen = "" if found["chosen"] is None else f"{found['chosen']:g}"
        lines.append(f"| {name} | `{found['network']}` | {' | '.join(cells)} | {chosen} |")
    for name, found in collapsed.items():
        if found["chosen"] is not None:
            lines += [
                "",
                f"`{name}` is trained with {found['chosen']:g}: with {found['rate']:g} its loss "
                "rose again within the first third of the run and no longer fell.",
            ]
    return lines


def _hard(images: list[dict[str, Any]], networks: int) -> list[str]:
    return [
        "",
        "## Images that all networks miss",
        "",
        f"The images on which the best of {networks} networks does worst; IoU, the mean of each "
        "network's seeds.",
        "",
        "| image | best network | median network |",
        "|---|---|---|",
        *(f"| {i['id']} | {i['best_iou']:.3f} | {i['median_iou']:.3f} |" for i in images),
    ]


def _waiting(waiting: list[dict[str, Any]]) -> list[str]:
    if not waiting:
        return []
    names: dict[str, list[str]] = {}
    for run in waiting:
        begun = f" ({run['epochs_done']} epochs done)" if run["epochs_done"] else ""
        names.setdefault(f"`{run['network']}`", []).append(f"{run['seed']}{begun}")
    listed = "; ".join(
        f"{network}, seed {_listed(seeds)}"
        if len(seeds) == 1
        else f"{network}, seeds {_listed(seeds)}"
        for network, seeds in names.items()
    )
    return [
        "",
        "## Not trained yet",
        "",
        f"The cheapest networks come first, and all networks once before any a second time. Left "
        f"so far: {listed}.",
    ]


def write(data: Path, runs: Path, device: str = "cpu") -> None:
    """Keep what is done and write the page."""
    records = Records(runs)
    collect(data, records, device)
    figures = results(records)
    write_result(RESULTS, figures, page(figures))
    write_text(RESULTS.with_suffix(".svg"), networks_plot.plot(figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of ISIC 2017")
    parser.add_argument("--runs", type=Path, required=True, help="folder of all runs")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    write(arguments.data, arguments.runs, arguments.device)


if __name__ == "__main__":
    main()
