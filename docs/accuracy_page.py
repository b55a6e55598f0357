"""Write docs/results/accuracy.md from accuracy.json and the papers' figures; ``make results``."""

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import mean
from typing import Any

from tables import UNKNOWN, kept_epoch, table

from skinseg.files import write_text

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "accuracy.json"
PAPERS = ROOT / "benchmarks" / "paper_figures.json"
REFERENCES = ROOT / "benchmarks" / "accuracy" / "reference_scores.json"
TITLES = {"malunet": "MALUNet", "egeunet": "EGE-UNet", "lmsaunet": "LMSAUNet"}
TITLES["basic_unet"] = "BasicUNet"
PRINTED_IN = {"malunet": "malunet_table1_isic2017", "egeunet": "egeunet_table1_isic2017"}
KINDS = {
    "paper": "the paper's, shortened",
    "skinseg": "`skinseg`",
    "longer": "`skinseg`, twice as long",
    "muon": "`skinseg`, twice as long, with Muon",
    "300": "`skinseg`, 300 epochs",
    "changes": "tried: strong changes of size, color and light",
    "larger": "tried: the same, 128 then 192 pixels",
    "batch_dice": "tried: Dice loss of the batch",
    "taught": "tried: the same, with soft masks of teachers",
}
INTRODUCTION = """# Accuracy

Written by `docs/accuracy_page.py` (`make results`) from `accuracy.json`, which
`benchmarks/accuracy/accuracy.py` measured. Scores are of the lesion, at 256x256, the size of the
files: IoU and Dice pooled over all pixels of all images (the papers' metric), and IoU averaged over
images. In brackets the 95 % interval over images (bootstrap, 1,000 resamples). `accuracy.json` has
accuracy, sensitivity, specificity, ISIC's score and every setting beside them. "Flips" averages
over the four flips of each image (`--tta`), at four times the cost; all other figures are of one
pass.
"""
PAPER73 = """## 650 test images of a 7:3 split of ISIC 2017

Learned from {learned} of the 2,150 images, none of them near-identical to one of the other 650,
which are scored. The last epoch is kept, so that nothing was chosen on the test images. The papers'
own assignment of images was never published: their figures are of another split, and the authors'
code scores differently on this one.
"""
EACH = """
Each run; the same figures come from

```console
$ skinseg evaluate --data isic2017:ISIC:train+val --split-file ISIC/splits/paper73_test.txt \\
    --model local-dir:benchmarks/accuracy/weights/RUN --size own
```
"""
OFFICIAL = """
## 150 official validation images of ISIC 2017: the weights that ship

Learned from the official training images. These 150 chose epochs and runs: scores are a little too
good, and compare networks rather than promise anything. `skinseg evaluate --data isic2017:ISIC:val
--model WEIGHTS --size own` gives them.
"""
TEACHERS = """## Teachers

The soft masks come from three teachers, U-Nets on EfficientNet-Lite0 with ImageNet weights
(`benchmarks/recipes/teachers.py`), trained on images that are for training in both splits. The mask
to learn is {fraction:.0%} the teachers' probability, of those that have not seen the image, and the
rest the outlined one. They gave nothing here or in [the first trials](recipe_trials.md); in [a
later one](trial_runs.md) they gained a little per image and lost as much pooled. No other row and
no weights that ship have used them.
"""


Row = dict[str, Any]


def percent(score: dict[str, float]) -> str:
    return f"{100 * score['value']:.2f} [{100 * score['low']:.1f}, {100 * score['high']:.1f}]"


def row(entry: Row, name: str, origin: dict[str, Any]) -> list[str]:
    """A table's row of one set of weights; ``origin`` says where they were trained, if known."""
    scores, recipe = entry["scores"], entry["recipe"]
    return [
        name,
        str(recipe.get("seed", UNKNOWN)),
        *(percent(scores[score]) for score in ("pooled_iou", "pooled_dice", "mean_iou")),
        f"{100 * entry['scores_with_flips']['pooled_iou']['value']:.2f}",
        kept_epoch(recipe),
        str(recipe.get("size", UNKNOWN)),
        f"{origin['hours']:.1f} h, {origin['hardware']}" if "hours" in origin else UNKNOWN,
        f"`{origin['commit'][:8]}`" if "commit" in origin else UNKNOWN,
    ]


HEAD = ["seed", "IoU", "Dice", "IoU per image", "IoU, flips", "epoch", "input", "training", "code"]


def printed(papers: dict[str, list[Row]], network: str) -> Row:
    rows = papers[PRINTED_IN[network]]
    return next(entry for entry in rows if entry["model"] == TITLES[network])


def means(runs: list[Row], papers: dict[str, list[Row]], references: dict[str, Row]) -> str:
    """One row for each network and recipe: the paper's figure, the authors' code here, and ours."""
    rows = []
    for network in PRINTED_IN:
        figure, reference = printed(papers, network), references[network]
        rows.append(
            [
                TITLES[network],
                "the paper, on its own split",
                f"{figure['miou']:.2f} / {figure['dsc']:.2f}",
                "",
                "300",
                "unknown",
            ]
        )
        rows.append(
            [
                TITLES[network],
                f"the authors' code and recipe, {reference['epochs']} epochs",
                f"{100 * reference['pooled_iou']:.2f} / {100 * reference['pooled_dice']:.2f}",
                "",
                str(reference["epochs"]),
                "1",
            ]
        )
        for kind in KINDS:
            same = [r for r in runs if (r["network"], r["kind"]) == (network, kind)]
            if same:
                cells = [TITLES[network], KINDS[kind]]
                cells += [pooled(same, scores) for scores in ("scores", "scores_with_flips")]
                rows.append([*cells, str(same[0]["recipe"]["epochs"]), str(len(same))])
    return table(["network", "recipe", "IoU / Dice", "with flips", "epochs", "seeds"], rows)


def pooled(runs: list[Row], scores: str) -> str:
    """Pooled IoU and Dice, mean of the runs."""
    names = ("pooled_iou", "pooled_dice")
    return " / ".join(
        f"{100 * mean(run[scores][name]['value'] for run in runs):.2f}" for name in names
    )


def page(
    results: dict[str, list[Row]], papers: dict[str, list[Row]], references: dict[str, Row]
) -> str:
    runs = results["runs"]
    each = [
        row(run, f"`{run['run']}`", {**run["provenance"], "hours": run["hours"]}) for run in runs
    ]
    shipped = [row(entry, f"`{entry['model']}`", entry["recipe"]) for entry in results["shipped"]]
    parts = [
        INTRODUCTION,
        PAPER73.format(learned=f"{runs[0]['learned']:,}"),
        means(runs, papers, references),
        EACH,
        table(["run", *HEAD], each),
        OFFICIAL,
        table(["weights", *HEAD], shipped),
        "",
    ]
    fractions = taught_fractions(runs)
    if fractions:
        parts.append(TEACHERS.format(fraction=max(fractions)))
    return "\n".join(parts)


def taught_fractions(runs: Iterable[Row]) -> set[float]:
    """Which fractions of a mask the teachers' probability was."""
    return {run["recipe"]["soft_weight"] for run in runs if run["teacher"]}


def main() -> None:
    sources = (json.loads(path.read_text()) for path in (RESULTS, PAPERS, REFERENCES))
    text = page(*sources)
    write_text(RESULTS.with_suffix(".md"), text)


if __name__ == "__main__":
    main()
