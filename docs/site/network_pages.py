"""Write docs/networks: for each family of networks a page, and a figure drawn from the code.

    python docs/site/network_pages.py          # rewrite
    python docs/site/network_pages.py --check  # fail where a file is out of date

Everything on a page comes from the code, ``skinseg/models/catalog.json``, the weights' records and
docs/results; a new network gets its page without a line here.
"""

import sys
from pathlib import Path
from typing import Any

import skinseg
from docs.site.families import Family, families, weightless
from docs.site.figure import draw
from docs.site.graph import trace
from docs.tables import figures, learned_from, official_scores, recorded, table
from skinseg.files import write_text
from skinseg.models import CATALOG

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "networks"
PAGE = """# {title}

{summary}

![{alt}]({module}.svg)

*`{network}`, drawn from its code for an image of 256x256 pixels. Blue: encoder. Green: decoder.
Orange: what the skips pass through. Violet: heads. Norms, activations and resizing are not shown.*

## Create it

{create}

## Costs

{costs}

Parameters are those of one output channel; multiply-accumulates are those of one image of
3x256x256, counted by PyTorch. [What the counters count](../guides/costs.md);
[the papers' tables, re-measured](../results/paper_tables.md).

## Weights and scores

{weights}

## Feature maps

`create_model("{network}", features_only=True)` gives the encoder's maps, as timm does:

{features}

## The class

::: {path}
    options:
      members: false
      show_root_heading: false
      show_root_toc_entry: false
      show_bases: false
"""
CREATE = """```python
import torch
import skinseg

net = skinseg.create_model("{network}"{pretrained}).eval()
logits = net(torch.randn(1, 3, 96, 128))
print(tuple(logits.shape))  # (1, 1, 96, 128)
```

```console
{command}
```"""
PREDICT = "$ skinseg predict photos/ --model {weights} --output masks"
TRAIN = "$ skinseg train --data my_data --model {network} --output runs/mine"
NO_WEIGHTS = (
    "No trained weights come with this family. Train it on [your own images]"
    "(../guides/training.md), with the recipe that gave the bundled weights of the others."
)
CITATION = """
## Citation

[{title}]({url})

```bibtex
{bibtex}
```
"""


def figure(name: str, title: str) -> str:
    """Draw a network with its default arguments."""
    return draw(trace(weightless(name)), f"Architecture of {title}")


def page(family: Family) -> str:
    """Write the page of a family."""
    network = family.networks[0]
    text = PAGE.format(
        title=family.title,
        summary=family.summary,
        alt=f"Architecture of {family.title}",
        module=family.module,
        network=network,
        create=create(network),
        costs=costs(family),
        weights=weights(family),
        features=features(network),
        path=f"{family.kind.__module__}.{family.kind.__qualname__}",
    )
    paper = family.kind.paper
    if paper is not None:
        text += CITATION.format(title=paper.title, url=paper.url, bibtex=paper.bibtex())
    return text


def create(network: str) -> str:
    """Show how to make a network, and what to do with it on the command line."""
    known = skinseg.get_pretrained_cfg(network)
    command = PREDICT.format(weights=known.name) if known else TRAIN.format(network=network)
    pretrained = ", pretrained=True" if known else ""
    return CREATE.format(network=network, pretrained=pretrained, command=command)


def costs(family: Family) -> str:
    """Return the costs of all networks of a family, and what the papers print."""
    rows = []
    for name in (*family.networks, *family.ablations):
        entry = CATALOG[name]
        count = f"{int(entry['parameters']):,}"
        macs = f"{int(entry['macs']) / 1e9:.3f} G"
        rows.append([f"`{name}`", str(entry["summary"]), count, macs, printed(name)])
    return table(
        ["network", "what it is", "parameters", "multiply-accumulates", "printed in a paper"], rows
    )


def printed(name: str) -> str:
    """Return what a paper's table says of a network, if one does; the row that agrees first."""
    tables = recorded("paper_tables")["tables"]
    rows = [row for rows in tables.values() for row in rows if row["network"] == name]
    rows.sort(key=lambda row: not row["agrees"])
    if not rows:
        return ""
    return f"{rows[0]['parameters_m']['paper']:g} M, {rows[0]['gmacs']['paper']:g} G"


def weights(family: Family) -> str:
    """Return a row for each set of weights of a family."""
    robustness = recorded("robustness")["networks"]
    names = (*family.networks, *family.ablations)
    rows = []
    for weights_name in skinseg.list_pretrained():
        record = skinseg.get_pretrained_cfg(weights_name)
        if record is None or record.architecture not in names:
            continue
        scores = official_scores(record.metrics)[0]
        rows.append(
            [
                f"`{weights_name}`",
                figures(scores, "pooled_iou", "pooled_dice", decimals=3),
                figures(scores, "mean_iou", "mean_dice", decimals=3),
                mean_drop(robustness.get(weights_name)),
                "x".join(str(side) for side in record.input_size[1:]),
                learned_from(record.training_data).partition(";")[0],
            ]
        )
    if not rows:
        return NO_WEIGHTS
    head = ["weights", "pooled IoU / Dice", "mean IoU / Dice", "Dice lost to corruption"]
    return (
        table([*head, "input", "training data"], rows)
        + "\n\nScores are of the 150 official validation images of ISIC 2017, which also chose the "
        "epoch. Dice lost is the mean over twelve corruptions at five severities, in hundredths "
        "([robustness](../results/robustness.md)). [More on the weights]"
        "(../models.md#bundled-weights); [scores of other recipes and splits]"
        "(../results/accuracy.md); [what to expect on your images](../how_good.md)."
    )


def mean_drop(entry: dict[str, Any] | None) -> str:
    """Return the Dice that corruptions cost on average, in hundredths."""
    if entry is None:
        return ""
    drops = [one["mean_dice_drop"] for kind in entry["drops"].values() for one in kind]
    return f"{100 * sum(drops) / len(drops):.1f}"


def features(network: str) -> str:
    """Return a table of the encoder's maps."""
    info = weightless(network).feature_info.get_dicts()
    rows = [
        [str(index), f"`{one['module']}`", str(one["num_chs"]), str(one["reduction"])]
        for index, one in enumerate(info)
    ]
    return table(["index", "module", "channels", "reduction"], rows)


def pages() -> dict[Path, str]:
    """Return the text of every page and figure by its path."""
    written = {}
    for family in families():
        written[FOLDER / f"{family.module}.md"] = page(family)
        written[FOLDER / f"{family.module}.svg"] = figure(family.networks[0], family.title)
    return written


def main() -> None:
    written = pages()
    stale = [
        path
        for path, text in written.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    gone = [path for path in FOLDER.glob("*") if path not in written]
    if "--check" in sys.argv:
        names = ", ".join(str(path.relative_to(ROOT)) for path in [*stale, *gone])
        sys.exit(f"out of date, run `make docs`: {names}" if names else 0)
    FOLDER.mkdir(exist_ok=True)
    for path in stale:
        write_text(path, written[path])
    for path in gone:
        path.unlink()


if __name__ == "__main__":
    main()
