"""The training runs behind docs/results/accuracy.md and the weights that ship.

``train_run.py`` trains one of them.
"""

import dataclasses
import json
from pathlib import Path
from statistics import median
from typing import Any

from skinseg.data import Augmentation, Normalization
from skinseg.training import Recipe, get_recipe

SEEDS = (0, 1)
# Other work on the machine makes an epoch two or three times as long.
HALTED, AROUND = 5, 5


@dataclasses.dataclass(frozen=True)
class Run:
    """A network, the images it is trained on, and how."""

    network: str
    split: str
    kind: str
    recipe: Recipe
    teacher: str | None = None  # "soft" masks of the images, or "mixed" images as well
    initial: str | None = None  # the run whose weights it begins with
    corrupted: bool = False  # every training image is there a second time, with a defect
    optimizer: str | None = None  # one of recipes/optimizers.py, in place of the recipe's


# Memory layout of these runs; the trainer now chooses one by itself.
LAYOUT: dict[str, dict[str, Any]] = {"malunet": {"channels_last": True}, "egeunet": {}}
# What was tried first: the Dice loss of the batch, which weighs lesions as pooled scores do.
BATCH_DICE = Recipe(
    size=128,
    batch_size=16,
    learning_rate=2e-3,
    warmup=0.05,
    dice_per_image=False,
    augmentation=Augmentation(
        rotate=1.0, zoom=(0.7, 2.0), white_balance=0.15, saturation=0.3, gamma=(0.7, 1.4)
    ),
    ema_decay=0.998,
    keep="last",
    channels_last=True,
)
STRONG_AUGMENTATION = Augmentation(
    rotate=1.0, zoom=(0.7, 1.6), white_balance=0.15, saturation=0.3, gamma=(0.7, 1.4)
)
# Of weights that ship. Other sets frame lesions in other ways: lesions of many sizes, at some cost
# on this one.
MANY_SIZES = Augmentation(zoom=(0.8, 1.6))
# Learning rates that the protocol chose: docs/results/networks.md.
LONG_RATES = {
    **dict.fromkeys(("ucmnet", "cmunext_s", "tinyunet"), 1e-3),
    **dict.fromkeys(("malunet", "basic_unet", "unext_s", "unext"), 3e-3),
    **dict.fromkeys(("lmsaunet", "mkunet", "ultralight_vm_unet"), 3e-3),
    **dict.fromkeys(("mucmnet", "mucmnet_2", "mucmnet_4", "mucmnet_8"), 3e-3),
    **dict.fromkeys(("lbunet", "mobilenetv3", "mkunet_t", "mkunet_s"), 1e-2),
}
FIXED = Normalization(kind="mean_std", mean=(0.5,) * 3, std=(0.25,) * 3)
# What `skinseg` was before: strong changes of size, color and light, and one scale of brightness.
STRONG = Recipe(
    epochs=60,
    size=128,
    small_scale=0.75,
    small_fraction=0.6,
    warmup=0.02,
    augmentation=STRONG_AUGMENTATION,
    normalization=FIXED,
    ema_decay=0.998,
    keep="last",
)
LMSAUNET: dict[str, Any] = {
    "epochs": 24,
    "size": 96,
    "small_scale": 2 / 3,
    "small_fraction": 2 / 3,
    "learning_rate": 2e-3,
}
# Single changes to the paper's recipe at its own size, compared on a fifth of the 1,500 training
# images of paper73, so that the 650 test images choose nothing.
TRIED: dict[str, Any] = {"epochs": 25, "cosine_epochs": None, "keep": "last", "ema_decay": 0.998}
LIGHT = Augmentation(zoom=(0.85, 1.25), white_balance=0.08, saturation=0.15, gamma=(0.85, 1.2))
FAST: dict[str, Any] = {"learning_rate": 3e-3, "warmup": 0.05}
TRIALS: dict[str, dict[str, Any]] = {
    "start": {},
    "changes": {"augmentation": STRONG_AUGMENTATION},
    "128": {"size": 128},
    "128-fast": {"size": 128, **FAST},
    "128-fixed": {"size": 128, "normalization": FIXED},
    "128-light": {"size": 128, "augmentation": LIGHT},
    "128-longer": {"size": 128, "epochs": 75, **FAST},
    "128-faster": {"size": 128, "learning_rate": 6e-3, "warmup": 0.05},
    "128-averaged": {
        "size": 128,
        "epochs": 75,
        **FAST,
        "final_learning_rate": 1e-3,
        "ema_decay": 0.9995,
    },
    "128-taught": {"size": 128, "epochs": 75, **FAST, "soft_weight": 0.5},
    "grows": {**FAST, "epochs": 40, "small_scale": 0.5, "small_fraction": 0.6},
    "128-muon": {"size": 128, "epochs": 75, **FAST, "optimizer": "muon"},
    "128-muon-1": {"size": 128, "epochs": 75, **FAST, "optimizer": "muon", "seed": 1},
    "256-muon": {"epochs": 75, **FAST, "optimizer": "muon"},
    # How much two runs differ by chance.
    "128-longer-1": {"size": 128, "epochs": 75, **FAST, "seed": 1},
    "128-longer-2": {"size": 128, "epochs": 75, **FAST, "seed": 2},
    "128-then-192": {
        "size": 192,
        "epochs": 75,
        **FAST,
        "small_scale": 2 / 3,
        "small_fraction": 0.8,
    },
}


def _runs() -> dict[str, Run]:
    runs: dict[str, Run] = {}
    changes: dict[str, Any]
    for network, layout in LAYOUT.items():
        for seed in SEEDS:
            # The papers' 300 epochs shortened; the cosine falls once, over the whole run.
            paper = get_recipe(
                f"paper-{network}", epochs=12, cosine_epochs=None, keep="last", seed=seed
            )
            runs[f"paper73-{network}-paper-{seed}"] = Run(network, "paper73", "paper", paper)
            # Three epochs at 128 pixels cost about as much as one at 256: 75 are 25 of the paper's.
            ours = get_recipe("skinseg", keep="last", seed=seed, **layout)
            runs[f"paper73-{network}-skinseg-{seed}"] = Run(network, "paper73", "skinseg", ours)
            longer = dataclasses.replace(ours, epochs=150)
            runs[f"paper73-{network}-longer-{seed}"] = Run(network, "paper73", "longer", longer)
            muon = dataclasses.replace(longer, optimizer="muon")
            runs[f"paper73-{network}-muon-{seed}"] = Run(network, "paper73", "muon", muon)
        changed = dataclasses.replace(STRONG, **layout)
        runs[f"paper73-{network}-changes-0"] = Run(network, "paper73", "changes", changed)
    runs["paper73-malunet-batch_dice-0"] = Run(
        "malunet", "paper73", "batch_dice", dataclasses.replace(BATCH_DICE, epochs=100)
    )
    larger = dataclasses.replace(STRONG, epochs=30, size=192, small_scale=2 / 3, channels_last=True)
    runs["paper73-malunet-192-0"] = Run("malunet", "paper73", "larger", larger)
    taught = dataclasses.replace(BATCH_DICE, epochs=80, soft_weight=0.6)
    runs["paper73-malunet-taught-0"] = Run("malunet", "paper73", "taught", taught, "soft")
    mixed = dataclasses.replace(taught, epochs=28, keep="best")
    runs["official-malunet-mixed"] = Run("malunet", "official", "mixed", mixed, "mixed")
    for network, changes in {
        "malunet": {"channels_last": True, "epochs": 100},
        "egeunet": {"epochs": 50},
        "basic_unet": {"channels_last": True, "epochs": 100},
        # LMSAUNet costs twenty times MALUNet: smaller images, fewer epochs.
        "lmsaunet": {**LMSAUNET, "channels_last": True},
    }.items():
        shipped = get_recipe("skinseg", **changes, augmentation=MANY_SIZES)
        runs[f"official-{network}"] = Run(network, "official", "shipped", shipped)
    taught = dataclasses.replace(runs["official-malunet"].recipe, epochs=40, soft_weight=0.5)
    runs["official-malunet-taught"] = Run("malunet", "official", "shipped", taught, "soft")
    for network in LAYOUT:
        # The learning rate rises and falls a second time, with other draws of flips and zoom.
        first = f"official-{network}"
        changes = {"epochs": 50, "learning_rate": 2e-3, "seed": 1}
        again = dataclasses.replace(runs[first].recipe, **changes)
        runs[f"{first}-again"] = Run(network, "official", "shipped", again, initial=first)
    for network in ("malunet", "egeunet", "basic_unet", "lmsaunet"):
        for seed in SEEDS:
            # For a GPU, which takes minutes. The test images of paper73 choose nothing; the
            # validation images of the official split may.
            last = get_recipe("skinseg", epochs=300, keep="last", seed=seed)
            runs[f"paper73-{network}-300-{seed}"] = Run(network, "paper73", "300", last)
            best = get_recipe("skinseg", epochs=300, seed=seed, augmentation=MANY_SIZES)
            runs[f"official-{network}-300-{seed}"] = Run(network, "official", "shipped", best)
    for network, rate in LONG_RATES.items():
        # The networks that had 300 epochs did best after some hundred, while the rate was high.
        long = get_recipe(
            "skinseg",
            epochs=300,
            early_stop=60,
            learning_rate=rate,
            augmentation=MANY_SIZES,
        )
        runs[f"official-{network}-long"] = Run(network, "official", "shipped", long)
    for network in ("malunet", "basic_unet", "unext_s", "mkunet_t", "ucmnet", "cmunext_s"):
        # It learned faster than AdamW in the trials, and reached a higher pooled IoU.
        changes = {"epochs": 100, "optimizer": "muon"}
        muon = dataclasses.replace(runs[f"official-{network}-long"].recipe, **changes)
        runs[f"official-{network}-muon"] = Run(network, "official", "shipped", muon)
    return runs | _trials()


def _trials() -> dict[str, Run]:
    trials: dict[str, Run] = {}

    def add(name: str, changes: dict[str, Any], split: str = "paper73_part", **kind: Any) -> None:
        recipe = get_recipe("paper-malunet", **{**TRIED, **changes})
        teacher = "soft" if recipe.soft_weight else None
        trials[f"trial-malunet-{name}"] = Run("malunet", split, name, recipe, teacher, **kind)

    for name, changes in TRIALS.items():
        add(name, changes)
    longer = TRIALS["128-longer"]
    add("128-lion", longer, optimizer="lion")
    # Twice as many images, half as many epochs.
    add("128-corrupted", {**longer, "epochs": 38}, corrupted=True)
    add("128-corrupted-muon", {**longer, "epochs": 38, "optimizer": "muon"}, corrupted=True)
    add("128-rendered", {**longer, "epochs": 25}, split="rendered")
    add("128-from-rendered", longer, initial="trial-malunet-128-rendered")
    for seed in (1, 2, 3):
        # From one run's weights, so that the average of the three may be a network, too.
        branch = {**longer, "epochs": 25, "learning_rate": 2e-3, "seed": seed}
        add(f"128-branch-{seed}", branch, initial="trial-malunet-128-longer-1")
    return trials


RUNS = _runs()


def epochs_done(run: Path) -> int:
    """How many epochs of a run are done."""
    log = run / "log.json"
    return len(json.loads(log.read_text())) if log.is_file() else 0


def finished(run: Path) -> bool:
    """Whether all epochs of a run are done."""
    return epochs_done(run) == RUNS[run.name].recipe.epochs


def hours(run: Path) -> float:
    """How long all epochs of a run took, without the times when it was halted."""
    log = json.loads((run / "log.json").read_text())
    return sum(without_halts([entry["seconds"] for entry in log])) / 3600


def without_halts(seconds: list[float]) -> list[float]:
    """Seconds of each epoch, and the usual ones of those in which the process was halted.

    Runs are halted while a speed is measured on their machine, and the clock goes on. An epoch
    counts as halted if it took :data:`HALTED` times the median of those around it.
    """
    usual = [median(seconds[max(0, at - AROUND) : at + AROUND + 1]) for at in range(len(seconds))]
    return [
        common if one > HALTED * common else one for one, common in zip(seconds, usual, strict=True)
    ]
