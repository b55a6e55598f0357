"""The last chapter: what each command refuses, and in which words."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

from benchmarks.first_hour.files import digests
from benchmarks.first_hour.messy_folder import NAME
from benchmarks.first_hour.scores import MODEL
from benchmarks.first_hour.terminal import Step, Terminal, require

IMAGE = f"{NAME}/images/IMG_0000.jpg"
CHECK, TRAIN = ("check", NAME), ("train", "--data", NAME)
EVALUATE = ("evaluate", "--data", "unseen", "--model")
PREDICT = ("predict", IMAGE, "--output", "none", "--model")
NETWORKS = "there is no network 'malunett'; did you mean malunet or mkunet_t or mkunet?"
RECIPES = "there is no recipe 'paper' (a file of settings ends in .json); did you mean "
FORMATS = "there is no format 'tflite'; there are: executorch, onnx, openvino, pt2, torchscript"
OVER_IMAGES = (
    f"the output folder '{NAME}/images' holds input images, and results might replace masks "
    "that are beside them.\nPredict them apart, into another output folder."
)

# Command, exit status, and how the lines begin that it prints, which are all.
CASES: list[tuple[tuple[object, ...], int, str]] = [
    (("check", "nowhere"), 2, "No folder 'nowhere'. Expected is 'images/x.jpg' with 'masks/x.png'"),
    (("check", f"{NAME}/images"), 2, f"No masks in '{NAME}/images' for the 41 images of"),
    ((*CHECK, "--labels", "0=skin"), 2, "--labels '0=skin' "),
    (("check", "bad/no.zip"), 2, "Cannot look into 'bad/no.zip': the archive 'bad/no.zip' cannot"),
    (("synth", IMAGE, "-q"), 1, f"cannot write to '{IMAGE}': "),
    ((*TRAIN, "--model", "malunett"), 2, NETWORKS),
    ((*TRAIN, "--recipe", "paper"), 2, RECIPES),
    ((*TRAIN, "--size", 8), 2, "--size must be at least 32, not 8"),
    ((*TRAIN, "--device", "cuda:77"), 2, "device 'cuda:77' cannot be used here"),
    ((*TRAIN, "--output", IMAGE), 2, f"'{IMAGE}' is a file; the output of a run is a folder."),
    ((*TRAIN, "--val-masks", "x"), 2, "--val-masks are the masks of --val; name that, too."),
    ((*TRAIN, "--groups", "x.csv"), 2, "Cannot read the groups in 'x.csv': "),
    ((*EVALUATE, "segnet"), 2, "there are no weights for segnet; see `skinseg list --pretrained`"),
    ((*EVALUATE, MODEL, "--split-file", "x"), 2, "Cannot read the split file 'x': "),
    ((*PREDICT, "local-dir:nowhere"), 2, "local-dir:nowhere has no config.json; it needs both"),
    ((*PREDICT, "local-dir:bad"), 1, "bad/config.json is not readable JSON: "),
    ((*PREDICT, "bad/cut.pt2"), 1, "'bad/cut.pt2' cannot be opened: "),
    ((*PREDICT, MODEL, "--threshold", 2), 2, "--threshold must be "),
    ((*PREDICT, MODEL, "--runtime", "tflite"), 2, "there is no runtime 'tflite'; there are: "),
    (("predict", IMAGE, "-o", f"{NAME}/images"), 2, OVER_IMAGES),
    (
        ("predict", "x.jpg", "-o", "none"),
        2,
        "there is no such file 'x.jpg'.\nError: no image found.",
    ),
    (("push", MODEL, "--repo", "mine"), 2, "'mine' is not org/name: your account or organization"),
    (("list", "no*"), 2, "no network of a name like 'no*'; `skinseg list` shows all networks."),
    (("info", "malunett"), 2, NETWORKS),
    (("export", "malunet", "-f", "tflite"), 2, FORMATS),
    (("export", "malunet", "--size", "big"), 2, "--size must be a number, HEIGHTxWIDTH or dynamic"),
    (("convert", "bad/cut.pth", "--to", "converted"), 1, "bad/cut.pth "),
    (("bench", "malunet", "--threads", 0), 2, "--threads must be 1 or more, not 0."),
    (("demo", "nowhere", "--no-open"), 1, "'nowhere' holds no built page; build it with "),
]


def refuse(terminal: Terminal) -> None:
    """Try what cannot work; nothing is written, and nothing changes."""
    bad = terminal.folder / "bad"
    for name in ("cut.pt2", "cut.pth", "no.zip", "model.safetensors"):
        (bad / name).write_bytes(b"PK no such thing")
    (bad / "config.json").write_text('{"architecture": "malunet"', encoding="utf-8")
    before = digests(terminal.folder)
    with ThreadPoolExecutor(2) as pool:
        for steps in pool.map(lambda case: _refused(terminal, *case), CASES):
            terminal.steps += steps
    require(digests(terminal.folder) == before, "a command that was refused changed a file")


def _refused(terminal: Terminal, command: tuple[object, ...], status: int, says: str) -> list[Step]:
    """Try one of them in a terminal of its own."""
    other = dataclasses.replace(terminal, steps=[])
    other.refuses(*command, status=status, says=says)
    return other.steps
