"""Write docs/results/accuracy.md from accuracy.json and the papers' figures; ``make results``."""

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import mean

from tables import table

from skinseg.files import write_atomically

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "accuracy.json"
PAPERS = ROOT / "benchmarks" / "paper_figures.json"
REFERENCES = ROOT / "benchmarks" / "reference_scores.json"
TITLES = {"malunet": "MALUNet", "egeunet": "EGE-UNet", "lmsaunet": "LMSAUNet"}
TITLES["basic_unet"] = "BasicUNet"
PRINTED_IN = {"malunet": "malunet_table1_isic2017", "egeunet": "egeunet_table1_isic2017"}
KINDS = {
    "paper": "the paper's, shortened",
    "skinseg": "`skinseg`",
    "larger": "`skinseg`, 128 then 192 pixels",
    "batch_dice": "tried: Dice loss of the batch",
    "taught": "tried: the same, with soft masks of teachers",
    "shipped": "`skinseg`, as shipped",
}
INTRODUCTION = """# Accuracy

Written by `docs/accuracy_page.py` (`make results`) from `accuracy.json`, which
`benchmarks/accuracy.py` measured from the weights in `benchmarks/accuracy_weights`. Scores are of
the lesion, at 256x256: IoU and Dice pooled over all pixels of all images (the papers' metric), and
IoU averaged over images. In brackets the 95 % interval over images (bootstrap, 1,000 resamples).
What `accuracy.json` has beside them: accuracy, sensitivity, specificity, every setting.
"""
PAPER73 = """## 650 test images of a 7:3 split of ISIC 2017

Learned from {learned} of the 2,150 images (1,500, less those whose near-identical twin is among
the 650), scored on the other 650; the last epoch is kept, so that nothing was chosen on the test
images. The papers' own assignment of images was never published: their figures are of another
split, and the authors' code scores differently on this one.
"""
OFFICIAL = """## 150 official validation images of ISIC 2017: the weights that ship

Learned from the official training images, less one whose twin is among the 150. These 150 chose the
epoch: their scores are a little too good, and compare networks rather than promise anything.
"""
TEACHERS = """## Teachers

The soft masks come from three teachers, U-Nets on EfficientNet-Lite0 with ImageNet weights
(`benchmarks/teachers.py`), trained on images that are for training in both splits. The mask to
learn is {share:.0%} the teachers' probability, of those that have not seen the image, and the rest
the outlined one. They did not help, here or in [the trials](recipe_trials.md), and no other row
and no weights that ship have used them.
"""


def percent(score: dict) -> str:
    return f"{100 * score['value']:.2f} [{100 * score['low']:.1f}, {100 * score['high']:.1f}]"


def row(run: dict) -> list[str]:
    scores = run["scores"]
    origin = run["provenance"]
    return [
        TITLES[run["network"]],
        KINDS[run["kind"]],
        str(run["seed"]),
        percent(scores["pooled_iou"]),
        percent(scores["pooled_dice"]),
        percent(scores["mean_iou"]),
        f"{run['epoch']} of {run['epochs']}",
        f"{run['size']}",
        f"{run['hours']:.1f} h, {origin['hardware']}",
        f"`{origin['commit'][:8]}`",
        f"`{run['run']}`",
    ]


HEAD = ["network", "recipe", "seed", "IoU", "Dice", "IoU per image", "epoch", "input", "training"]
HEAD += ["code", "run"]


def printed(papers: dict, network: str) -> dict:
    rows = papers[PRINTED_IN[network]]
    return next(entry for entry in rows if entry["model"] == TITLES[network])


def means(runs: list[dict], papers: dict, references: dict) -> str:
    """One row a network and recipe: the paper's figure, the authors' code here, and ours."""
    rows = []
    for network in PRINTED_IN:
        figure, reference = printed(papers, network), references[network]
        rows.append(
            [
                TITLES[network],
                "the paper, on its own split",
                f"{figure['miou']:.2f} / {figure['dsc']:.2f}",
                "300",
                "unknown",
            ]
        )
        rows.append(
            [
                TITLES[network],
                f"the authors' code and recipe, {reference['epochs']} epochs",
                f"{100 * reference['pooled_iou']:.2f} / {100 * reference['pooled_dice']:.2f}",
                str(reference["epochs"]),
                "1",
            ]
        )
        for kind in KINDS:
            same = [r for r in runs if (r["network"], r["kind"]) == (network, kind)]
            if same:
                iou, dice = (
                    100 * mean(r["scores"][name]["value"] for r in same)
                    for name in ("pooled_iou", "pooled_dice")
                )
                row = [TITLES[network], KINDS[kind], f"{iou:.2f} / {dice:.2f}"]
                rows.append([*row, str(same[0]["epochs"]), str(len(same))])
    return table(["network", "recipe", "IoU / Dice", "epochs", "seeds"], rows)


def page(results: dict, papers: dict, references: dict) -> str:
    runs = results["runs"]
    paper73 = [run for run in runs if run["split"] == "paper73"]
    official = [run for run in runs if run["split"] == "official"]
    parts = [INTRODUCTION]
    if paper73:
        parts += [
            PAPER73.format(learned=f"{paper73[0]['learned']:,}"),
            means(paper73, papers, references),
            "\nEach run:\n",
            table(HEAD, [row(run) for run in paper73]),
            "",
        ]
    if official:
        parts += [OFFICIAL, table(HEAD, [row(run) for run in official]), ""]
    shares = taught_shares(runs)
    if shares:
        parts.append(TEACHERS.format(share=max(shares)))
    return "\n".join(parts)


def taught_shares(runs: Iterable[dict]) -> set[float]:
    return {run["recipe"]["soft_weight"] for run in runs if run["teacher"]}


def main() -> None:
    sources = (json.loads(path.read_text()) for path in (RESULTS, PAPERS, REFERENCES))
    text = page(*sources)
    write_atomically(RESULTS.with_suffix(".md"), lambda copy: copy.write_text(text))


if __name__ == "__main__":
    main()
