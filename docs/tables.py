"""Write the tables of README.md and docs/ from the registry and the weight records.

    python docs/tables.py          # rewrite
    python docs/tables.py --check  # fail where a page is out of date

A table stands between ``<!-- table: NAME -->`` and ``<!-- end -->``.
"""

import inspect
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import skinseg
from skinseg.files import write_atomically

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "docs/models.md", "docs/guides/blocks.md"]
OFFICIAL = "ISIC 2017 task 1, official validation split"
UNKNOWN = "not recorded"


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


def networks() -> str:
    """Every published network with its size, and what its default weights score."""
    rows = []
    for name in published():
        parameters = sum(p.numel() for p in skinseg.create_model(name).parameters())
        cfg = skinseg.get_pretrained_cfg(name)
        scores = official_scores(cfg.metrics)[0] if cfg else {}
        shown = ("pooled_iou", "pooled_dice", "mean_iou", "mean_dice")
        rows.append(
            [
                f"`{name}`",
                f"{parameters:,}",
                f"`{cfg.name}`" if cfg else "",
                *(figures(scores, score, decimals=3) for score in shown),
            ]
        )
    columns = ["network", "parameters", "weights", "IoU", "Dice", "IoU per image"]
    return table([*columns, "Dice per image"], rows)


def entrypoints() -> str:
    """Every published network with its one-line description."""
    return descriptions(published())


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
    if "epoch" not in recipe:
        return UNKNOWN
    kept = f"{recipe['epoch']} of {recipe['epochs']}"
    first = recipe.get("initial")
    return f"{kept} after {kept_epoch(first['recipe'])}" if first else kept


def training(recipe: Mapping[str, Any]) -> str:
    """Which epoch was kept, and what the training took as far as the record says it."""
    if "epoch" not in recipe:
        return UNKNOWN
    text = f"epoch {kept_epoch(recipe)}, seed {recipe['seed']}"
    if "hours" in recipe:
        text += f", {recipe['hours']} h on {recipe['hardware']} ({recipe['threads']} thread)"
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
                learned_from(cfg.training_data),
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


TABLES = {f.__name__: f for f in (networks, entrypoints, ablations, weights, blocks)}


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
            write_atomically(path, lambda temporary, new=new: temporary.write_text(new))
    if stale and "--check" in sys.argv:
        sys.exit(f"out of date, run `make docs`: {', '.join(stale)}")


if __name__ == "__main__":
    main()
