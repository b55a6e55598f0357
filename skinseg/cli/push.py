"""``skinseg push``: a network with its weights goes to the Hugging Face Hub."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import skinseg
from skinseg.cli.completion import complete_weights
from skinseg.cli.console import errors_reported, say
from skinseg.pretrained import file_hash

if TYPE_CHECKING:
    from torch import nn


def push(
    name: Annotated[
        str,
        typer.Argument(
            help="arch.tag, or local-dir:FOLDER, as of a training.", autocompletion=complete_weights
        ),
    ],
    repo: Annotated[str, typer.Option(help="ORG/NAME; made if there is none.")],
    private: Annotated[
        bool | None,
        typer.Option(
            "--private/--public",
            help="Who may see a new repository; the account's settings if absent.",
        ),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Branch, made if there is none; main if absent.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be published, and send nothing.")
    ] = False,
) -> None:
    """Publish a network and its weights on the Hugging Face Hub, with a model card.

    The token is that of HF_TOKEN, or of `hf auth login`. Exit status: 0 if all was published, 1
    if the Hub or a file failed, 2 if the command is wrong.
    """
    with errors_reported():
        network = skinseg.create_model(name, pretrained=True)
        if dry_run:
            _show(network, repo)
            return
        commit = skinseg.push_to_hub(network, repo, private=private, revision=revision)
    say(f"Published: {commit.commit_url}")
    at = f"@{revision}" if revision else ""
    say(f"Use it: skinseg predict IMAGES --model hf-hub:{repo}{at} --output MASKS")


def _show(network: "nn.Module", repo: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = skinseg.hub.files_for_hub(network, repo, Path(folder))
        card = Path(folder, skinseg.hub.CARD_NAME).read_text(encoding="utf-8")
        say(f"Nothing is sent. These files would go to {repo}:")
        for file in files:
            say(f"  {file.name}: {file.stat().st_size:,} bytes, sha256 {file_hash(file)}")
    say(f"\n{card}")
