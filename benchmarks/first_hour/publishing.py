"""The fifth chapter: the network goes to a Hub on the loopback address, and comes back."""

from benchmarks.first_hour.files import digests
from benchmarks.first_hour.messy_folder import NAME
from benchmarks.first_hour.scores import MODEL
from benchmarks.first_hour.terminal import Terminal, require
from benchmarks.first_hour.training import RUN
from tests.hub_server import TOKEN, running_hub

REPO = "org/mine"


def push_and_load(terminal: Terminal) -> None:
    """Publish the trained network, and segment with it in a process that has nothing else."""
    folder = terminal.folder
    push = ("push", MODEL, "--repo", REPO)
    with running_hub() as hub:
        there = {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": ""}
        says = [f"Nothing is sent. These files would go to {REPO}:", "model.safetensors: "]
        terminal.run(*push, "--dry-run", says=says, environment=there)
        require(not hub.requests, "a dry run asked the Hub")
        says = ["set HF_TOKEN"]
        terminal.run(*push, status=1, says=says, only=True, environment=there)
        there["HF_TOKEN"] = TOKEN
        other = (*push[:-1], "others/mine")
        says = ["set HF_TOKEN to a token that may do this"]
        terminal.run(*other, status=1, says=says, only=True, environment=there)
        require(not hub.repositories, "something was published")
        use = f"Use it: skinseg predict IMAGES --model hf-hub:{REPO} --output MASKS"
        says = [f"Published: {hub.url}/{REPO}/commit/", use]
        terminal.run(*push, says=says, environment=there)
        repository = hub.repositories[REPO]
        files = repository.commits[repository.refs["main"]]
        weights = (folder / RUN / "model.safetensors").read_bytes()
        require(files["model.safetensors"] == weights, "other weights were published")
        require("README.md" in files and "config.json" in files, "card or record are missing")

        predict = ("predict", f"{NAME}/images/Nevus 01.JPG", "--output")
        says = ["1 of 1 image segmented; masks in 'from the Hub'"]
        source = ("--model", f"hf-hub:{REPO}")
        terminal.run(*predict, "from the Hub", *source, says=says, environment=there)
        name = "Nevus 01_mask.png"
        mask = digests(folder / "masks")[name]
        require(digests(folder / "from the Hub")[name] == mask, "the mask differs")
        says = ["hf-hub:org/none: "]
        source = ("--model", "hf-hub:org/none")
        terminal.run(*predict, "none", *source, status=1, says=says, only=True, environment=there)
    offline = {**there, "HF_HUB_OFFLINE": "1"}
    says = ["1 of 1 image segmented; masks in 'offline'"]
    source = ("--model", f"hf-hub:{REPO}")
    terminal.run(*predict, "offline", *source, says=says, environment=offline)
    require(digests(folder / "offline")[name] == mask, "the mask differs")
    empty = {**offline, "HF_HOME": str(folder / "empty")}
    says = ["HF_HUB_OFFLINE is set"]
    terminal.run(*predict, "none", *source, status=1, says=says, only=True, environment=empty)
