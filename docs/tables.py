"""Write the tables of README.md and docs/ from the registry and the weight records.

    python docs/tables.py          # rewrite
    python docs/tables.py --check  # fail where a page is out of date

A table stands between ``<!-- table: NAME -->`` and ``<!-- end -->``.
"""

import inspect
import re
import sys
from pathlib import Path

import skinseg
from skinseg.files import write_atomically

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "docs/models.md", "docs/guides/blocks.md"]


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def summary(thing: object) -> str:
    """First line of a docstring."""
    return inspect.getdoc(thing).splitlines()[0]


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
        scores = cfg.metrics[0] if cfg else None
        rows.append(
            [
                f"`{name}`",
                f"{parameters:,}",
                f"`{cfg.name}`" if cfg else "",
                f"{scores['pooled_iou']:.3f}" if scores else "",
                f"{scores['pooled_dice']:.3f}" if scores else "",
                f"{scores['mean_iou']:.3f}" if scores else "",
                f"{scores['mean_dice']:.3f}" if scores else "",
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


def kept_epoch(recipe: dict) -> str:
    """Which epoch was kept, and of which run before the training went on."""
    kept = f"{recipe['epoch']} of {recipe['epochs']}"
    first = recipe.get("initial")
    return f"{kept} after {kept_epoch(first['recipe'])}" if first else kept


def weights() -> str:
    """Every set of weights with its record."""
    rows = []
    for name in skinseg.list_pretrained():
        cfg = skinseg.get_pretrained_cfg(name)
        recipe = cfg.recipe
        rows.append(
            [
                f"`{name}`",
                f"{cfg.training_data['name']}; {cfg.training_data['split']}",
                f"{cfg.metrics[0]['pooled_iou']:.4f} / {cfg.metrics[0]['pooled_dice']:.4f}",
                f"{cfg.metrics[1]['pooled_iou']:.4f} / {cfg.metrics[1]['pooled_dice']:.4f}",
                f"{cfg.metrics[0]['sensitivity']:.3f} / {cfg.metrics[0]['specificity']:.3f}",
                "x".join(str(side) for side in cfg.input_size[1:]),
                f"epoch {kept_epoch(recipe)}, seed {recipe['seed']}, {recipe['hours']} h on "
                f"{recipe['hardware']} ({recipe['threads']} thread)",
                f"`{cfg.commit[:8]}`",
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
    """The page with all its tables made anew."""
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
