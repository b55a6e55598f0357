"""The command ``skinseg``; the package loads what a command uses when the command runs."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from skinseg.cli.bench import bench
from skinseg.cli.console import interruption_reported
from skinseg.cli.convert import convert
from skinseg.cli.datasets import check, synth
from skinseg.cli.demo import demo
from skinseg.cli.evaluate import evaluate
from skinseg.cli.export import export
from skinseg.cli.models import info, list_networks
from skinseg.cli.predict import predict
from skinseg.cli.push import push
from skinseg.cli.serve import serve
from skinseg.cli.train import train
from skinseg.version import __version__


class _Commands(TyperGroup):
    """The commands; one that says nothing of its own at Ctrl-C ends with a sentence, too."""

    def invoke(self, *args: Any, **kwargs: Any) -> Any:
        with interruption_reported("the files that are there are whole."):
            return super().invoke(*args, **kwargs)


app = typer.Typer(
    name="skinseg",
    cls=_Commands,
    help="Outline skin lesions in dermoscopy images. For research, not for diagnosis.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"skinseg {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


app.command()(predict)
app.command("list")(list_networks)
app.command()(info)
app.command()(train)
app.command()(evaluate)
app.command()(check)
app.command()(synth)
app.command()(export)
app.command()(push)
app.command()(convert)
app.command()(bench)
app.command()(serve)
app.command()(demo)
