"""Write the tables of README.md and docs/ from the registry and the weight records.

    python docs/tables.py          # rewrite
    python docs/tables.py --check  # fail where a page is out of date

A table stands between ``<!-- table: NAME -->`` and ``<!-- end -->``.
"""

import inspect
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import skinseg
from skinseg.files import write_text
from skinseg.formatting import duration
from skinseg.models import CATALOG
from skinseg.pretrained import PretrainedCfg

ROOT = Path(__file__).parents[1]
PAGES = [
    "README.md",
    "docs/index.md",
    "docs/models.md",
    "docs/how_good.md",
    "docs/guides/blocks.md",
    "docs/guides/many_images.md",
    "docs/guides/speed.md",
]
OFFICIAL = "ISIC 2017 task 1, official validation split"
UNKNOWN = "not recorded"
ENSEMBLE = "ensemble"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def summary(thing: object) -> str:
    """First line of a docstring."""
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def published() -> list[str]:
    """The networks themselves, without the rows of ablation tables."""
    ablations = skinseg.list_models(module="ablations")
    return [name for name in skinseg.list_models() if name not in ablations]


def with_weights() -> list[tuple[PretrainedCfg, dict[str, Any]]]:
    """Records of the networks that have weights and their scores, the highest IoU first."""
    cfgs = [skinseg.get_pretrained_cfg(name) for name in (*published(), ENSEMBLE)]
    scored = [(cfg, official_scores(cfg.metrics)[0]) for cfg in cfgs if cfg]
    return sorted(scored, key=lambda pair: -pair[1].get("pooled_iou", 0))


def costs(name: str) -> list[str]:
    """Parameters and multiply-accumulates; of the ensemble, those of its members together."""
    entries = [CATALOG[member] for member in (members() if name == ENSEMBLE else [name])]
    parameters, macs = (sum(int(one[key]) for one in entries) for key in ("parameters", "macs"))
    return [f"{parameters:,}", f"{macs / 1e9:.3f} G"]


def members() -> list[str]:
    """The networks that the ensemble that ships is made of."""
    cfg = skinseg.get_pretrained_cfg(ENSEMBLE)
    assert cfg is not None
    names: list[str] = cfg.model_args["architecture"]
    return names


def networks() -> str:
    """The networks that have weights: costs and scores."""
    shown = ("pooled_iou", "pooled_dice", "mean_iou", "mean_dice")
    rows = [
        [
            f"`{cfg.architecture}`",
            *costs(cfg.architecture),
            f"`{cfg.name}`",
            *(figures(scores, score, decimals=3) for score in shown),
        ]
        for cfg, scores in with_weights()
    ]
    columns = ["network", "parameters", "multiply-accumulates", "weights", "IoU", "Dice"]
    return table([*columns, "IoU per image", "Dice per image"], rows)


def without_weights() -> str:
    """The names of the other networks, in one sentence."""
    trained = [cfg.architecture for cfg, _ in with_weights()]
    names = [f"`{name}`" for name in published() if name not in trained]
    return f"Without weights so far: {', '.join(names)}."


def entrypoints() -> str:
    """Every published network with its page, its costs and its one-line description."""
    rows = []
    for name in published():
        rows.append([page_link(name), *costs(name), str(CATALOG[name]["summary"])])
    return table(["network", "parameters", "multiply-accumulates", "what it is"], rows)


def page_link(name: str) -> str:
    """Link a network to its family's page, from a page in docs/."""
    if name == ENSEMBLE:
        return f"[`{name}`](models.md#ensembles)"
    return f"[`{name}`](networks/{CATALOG[name]['module']}.md)"


def shipped() -> str:
    """The networks that have weights, with their pages and their pooled scores."""
    rows = [
        [
            page_link(cfg.architecture),
            *costs(cfg.architecture),
            *(figures(scores, score, decimals=3) for score in ("pooled_iou", "pooled_dice")),
        ]
        for cfg, scores in with_weights()
    ]
    return table(["network", "parameters", "multiply-accumulates", "IoU", "Dice"], rows)


def expected() -> str:
    """What the bundled weights score on the official validation images, with intervals."""
    rows = []
    for entry in recorded("accuracy")["shipped"]:
        scores = [entry["scores"][name] for name in ("mean_dice", "mean_iou", "pooled_dice")]
        cells = [f"{s['value']:.3f} ({s['low']:.3f} to {s['high']:.3f})" for s in scores]
        solved = entry["scores"]["mean_thresholded_jaccard"]
        rows.append([f"`{entry['model']}`", *cells, f"{solved['value']:.3f}"])
    head = ["weights", "Dice per image", "IoU per image", "pooled Dice", "thresholded Jaccard"]
    return table(head, rows)


def disturbed() -> str:
    """What each kind of corruption costs the bundled weights at its middle and highest severity."""
    networks = recorded("robustness")["networks"]
    kinds = next(iter(networks.values()))["drops"]
    rows = []
    for kind in kinds:
        drops = [entry["drops"][kind] for entry in networks.values()]
        cells = [" / ".join(hundredths(d[i]["mean_dice_drop"]) for i in (2, 4)) for d in drops]
        rows.append([kind.replace("_", " "), *cells])
    return table(["corruption", *(f"`{name}`" for name in networks)], rows)


def choice() -> str:
    """Which network to take, by what there is least of; of those trained alike and measured."""
    rows = {row["network"]: row for row in recorded("networks")["networks"]}
    times = {
        name: found["optimized"]["median"]
        for name, found in recorded("latency")["latency"]["1,1,256"].items()
        if name in rows
    }
    iou = {name: row["scores"]["pooled_iou"]["value"] for name, row in rows.items()}
    picks = {
        "fewest parameters": min(rows, key=lambda name: rows[name]["parameters"]),
        "fewest multiply-accumulates": min(rows, key=lambda name: rows[name]["macs"]),
        "lowest latency on one CPU thread": min(times, key=lambda name: times[name]),
        "highest IoU": max(iou, key=lambda name: iou[name]),
        "highest IoU of those with weights": max(
            filter(skinseg.is_model_pretrained, iou), key=lambda name: iou[name]
        ),
    }
    cells = [
        [
            budget,
            f"`{name}`",
            *costs(name),
            f"{times[name]:.1f} ms" if name in times else "not measured",
            f"{100 * iou[name]:.1f} %",
            "yes" if skinseg.is_model_pretrained(name) else "no",
        ]
        for budget, name in picks.items()
    ]
    head = ["what counts", "network", "parameters", "multiply-accumulates", "latency", "IoU"]
    return table([*head, "has weights"], cells)


def ensembles() -> str:
    """What ensembles score on the 650 test images, and by how much more than their best member."""
    rows = []
    for name, found in recorded("ensembles")["ensembles"].items():
        gain = found["gain"]
        low, high = (f"{100 * gain[end]:+.1f}" for end in ("low", "high"))
        score = f"{100 * found['scores']['pooled_iou']['value']:.1f} %"
        gained = f"{100 * gain['difference']:+.1f} ({low} to {high})"
        rows.append([name, f"{found['parameters']:,}", score, gained])
    return table(["ensemble", "parameters", "IoU", "more than its best member"], rows)


def many_images() -> str:
    """How long one process and its rivals on the same cores take, at the measured speeds."""
    measured = recorded("distributed")
    ways = {
        "one process": measured["single_seconds"],
        f"{measured['shards']['jobs']} shards": measured["shards"]["seconds"],
        "Ray": measured["cluster"]["seconds"],
    }
    counts = (20_000, 100_000, 1_000_000, 10_000_000)
    rows = [
        [f"{count:,}", *(duration(count * s / measured["images"]) for s in ways.values())]
        for count in counts
    ]
    return table([f"images of {measured['side']} pixels", *ways], rows)


def fast_forms() -> str:
    """What the fast form of each network that has weights takes, beside the published one."""
    latency = recorded("latency")["latency"]["1,1,256"]
    ships = {cfg.architecture for cfg, _ in with_weights()}
    measured = {name: ways for name, ways in latency.items() if name in ships}
    rows = []
    for name, ways in sorted(measured.items(), key=lambda pair: pair[1]["optimized"]["median"]):
        plain, fast = (ways[way]["median"] for way in ("published", "optimized"))
        rows.append([f"`{name}`", f"{plain:.1f} ms", f"{fast:.1f} ms", f"{fast / plain:.2f}"])
    return table(["network", "published", "fast form", "ratio"], rows)


def hundredths(drop: float) -> str:
    """Write a drop of Dice in hundredths, without a minus before zero."""
    return f"{round(100 * drop, 1) + 0.0:.1f}"


def recorded(name: str) -> dict[str, Any]:
    """Read a result of docs/results."""
    text = (ROOT / "docs" / "results" / f"{name}.json").read_text(encoding="utf-8")
    results: dict[str, Any] = json.loads(text)
    return results


def ablations() -> str:
    """Every row of an ablation table with its one-line description."""
    return descriptions(skinseg.list_models(module="ablations"))


def descriptions(names: list[str]) -> str:
    rows = [[f"`{name}`", summary(skinseg.model_entrypoint(name))] for name in names]
    return table(["network", "what it is"], rows)


def official_scores(metrics: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Scores of the official validation images, and without the one that was learned from.

    A record has neither where nobody has measured them: a training run records its own images.
    """
    by_data = {entry.get("data", ""): entry for entry in metrics}
    without = [name for name in by_data if name.startswith(f"{OFFICIAL}, without")]
    return by_data.get(OFFICIAL, {}), by_data[without[0]] if without else {}


def figures(scores: Mapping[str, float], *names: str, decimals: int) -> str:
    """Scores beside each other; nothing where there are none."""
    return " / ".join(f"{scores[name]:.{decimals}f}" for name in names) if scores else ""


def kept_epoch(recipe: Mapping[str, Any]) -> str:
    """Which epoch was kept, and of which run before the training went on."""
    if "members" in recipe:
        return "those of its members"
    if "epoch" not in recipe:
        return UNKNOWN
    kept = f"{recipe['epoch']} of {recipe['epochs']}"
    if "epochs_run" in recipe:
        kept += f", stopped after {recipe['epochs_run']}"
    first = recipe.get("initial")
    return f"{kept} after {kept_epoch(first['recipe'])}" if first else kept


def training(recipe: Mapping[str, Any]) -> str:
    """Which epoch was kept, and what the training took as far as the record says it."""
    if "members" in recipe:
        return "the mean of " + ", ".join(f"`{name}`" for name in recipe["members"])
    if "epoch" not in recipe:
        return UNKNOWN
    text = f"epoch {kept_epoch(recipe)}, seed {recipe['seed']}"
    if "hours" in recipe:
        # A run may have gone on on another machine.
        parts = [recipe, *recipe.get("continued_by", [])]
        hardware = " and ".join(dict.fromkeys(part["hardware"] for part in parts))
        text += f", {recipe['hours']} h on {hardware} ({recipe['threads']} thread)"
    return text


def learned_from(training_data: Mapping[str, Any]) -> str:
    """The data set and its split, or where weights that others trained come from."""
    known = [training_data[key] for key in ("name", "split", "source") if key in training_data]
    return "; ".join(known) or UNKNOWN


def weights() -> str:
    """Every set of weights with its record."""
    rows = []
    for name in skinseg.list_pretrained():
        cfg = skinseg.get_pretrained_cfg(name)
        assert cfg is not None, name
        scores, unseen = official_scores(cfg.metrics)
        rows.append(
            [
                f"`{name}`",
                learned_from(cfg.training_data).partition(";")[0].partition(":")[0],
                figures(scores, "pooled_iou", "pooled_dice", decimals=4),
                figures(unseen, "pooled_iou", "pooled_dice", decimals=4),
                figures(scores, "sensitivity", "specificity", decimals=3),
                "x".join(str(side) for side in cfg.input_size[1:]),
                training(cfg.recipe),
                f"`{cfg.commit[:8]}`" if cfg.commit else UNKNOWN,
            ]
        )
    head = ["weights", "training data", "pooled IoU / Dice", "without the duplicate"]
    head.append("sensitivity / specificity")
    return table([*head, "input", "training", "code"], rows)


def blocks() -> str:
    """Every block with its one-line description."""
    from skinseg.blocks import BLOCKS

    return table(
        ["name", "class", "what it does"],
        [[f"`{n}`", f"`{BLOCKS[n].__name__}`", summary(BLOCKS[n])] for n in skinseg.list_blocks()],
    )


MAKERS = (
    networks,
    without_weights,
    entrypoints,
    choice,
    shipped,
    expected,
    disturbed,
    ensembles,
    many_images,
    fast_forms,
    ablations,
    weights,
    blocks,
)
TABLES = {maker.__name__: maker for maker in MAKERS}


def filled(text: str) -> str:
    """The page with all its tables as they are now."""
    pattern = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
    return pattern.sub(lambda m: f"{m[1]}{TABLES[m[2]]()}\n{m[3]}", text)


def main() -> None:
    stale = []
    for page in PAGES:
        path = ROOT / page
        text = path.read_text(encoding="utf-8")
        new = filled(text)
        if new != text:
            stale.append(page)
        if "--check" not in sys.argv:
            write_text(path, new)
    if stale and "--check" in sys.argv:
        sys.exit(f"out of date, run `make docs`: {', '.join(stale)}")


if __name__ == "__main__":
    main()
