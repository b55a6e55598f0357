"""Go the whole way of somebody new, on the command line, with a messy folder of synthetic images.

    python benchmarks/first_hour/first_hour.py

checks the folder, corrects it, trains, interrupts, goes on, scores, segments, publishes to a server
on the loopback address and loads from there. Every exit status and sentence is required to be what
it should be, no output may have a traceback, and no file may be lost or cut. It writes
docs/results/first_hour.json and .md. A test runs the same.
"""

import argparse
import dataclasses
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.first_hour import bad_inputs, data, masks, publishing, scores, training
from benchmarks.first_hour.terminal import Terminal
from benchmarks.provenance import page_fields, provenance
from benchmarks.results import FOLDER, write_result

CHAPTERS = (
    ("A folder of one's own", data.check_and_correct),
    ("Training", training.train_and_go_on),
    ("Scores", scores.evaluate),
    ("Masks", masks.predict_and_go_on),
    ("The Hub", publishing.push_and_load),
    ("What is refused", bad_inputs.refuse),
)

PAGE = """# The first hour

Written by `benchmarks/first_hour/first_hour.py` from `first_hour.json`: commit {commit}, PyTorch
{torch}, {hardware}, {threads}. Somebody new has a folder of photographs with masks, and goes the
whole way on the command line: {steps} commands, {interrupted} of them interrupted by Ctrl-C,
{failing} that have to end with an error. The photographs are synthetic, the network is small, and
so are its scores.

Of each command the script requires the exit status and the sentences shown, and of all of them that
no output has a traceback, a warning of Python or codes for colors, that no photograph or mask of
the user changes, that every file is whole, and that no temporary file is left. `make test-slow`
does the same. Seconds are rough: whatever else the machine did is in them.

{chapters}
"""


def walk(folder: Path) -> Terminal:
    """Go the whole way in an empty folder.

    Raises:
        Unexpected: If anything is otherwise than it should be.
    """
    # A user's own settings would be another way; one thread, so that weights can be compared.
    own = {"OMP_NUM_THREADS": "1", "HF_HOME": str(folder / "hf"), "COLUMNS": "200"}
    terminal = Terminal(folder, own)
    for name, go in CHAPTERS:
        terminal.chapter = name
        go(terminal)
    return terminal


def page(results: dict[str, Any]) -> str:
    """Return the page of the recorded steps."""
    steps, origin = results["steps"], results["provenance"]
    chapters = [
        _chapter(name, [step for step in steps if step["chapter"] == name]) for name, _ in CHAPTERS
    ]
    threads = origin["threads"]
    return PAGE.format(
        **page_fields(origin),
        threads=f"{threads} thread" + "s" * (threads != 1),
        steps=len(steps),
        interrupted=sum(bool(step["interrupted"]) for step in steps),
        failing=sum(step["status"] in (1, 2) for step in steps),
        chapters="\n\n".join(chapters),
    )


def _chapter(name: str, steps: list[dict[str, Any]]) -> str:
    seconds = sum(step["seconds"] for step in steps)
    rows = "\n".join(map(_row, steps))
    return (
        f"## {name}\n\n{len(steps)} commands, {seconds:.0f} s.\n\n"
        f"| command | status | what it said | s |\n|---|---|---|---|\n{rows}"
    )


def _row(step: dict[str, Any]) -> str:
    command, said = _code(step["command"]), "<br>".join(map(_code, step["said"]))
    if step["interrupted"]:
        command += f"<br>Ctrl-C {step['interrupted']}"
    return f"| {command} | {step['status']} | {said} | {step['seconds']:.1f} |"


def _code(text: str) -> str:
    """Text as code in a cell of a table; it may have backticks itself."""
    fenced = f"`` {text} ``" if "`" in text else f"`{text}`"
    return fenced.replace("|", "\\|")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=FOLDER / "first_hour")
    arguments = parser.parse_args()
    origin = provenance() | {"threads": 1}
    with tempfile.TemporaryDirectory() as folder:
        terminal = walk(Path(folder).resolve())
    steps = [dataclasses.asdict(step) for step in terminal.steps]
    results = {"provenance": origin, "steps": steps}
    write_result(arguments.output, results, page(results))
    print(f"{len(steps)} commands, {sum(step['seconds'] for step in steps):.0f} s: as they should.")


if __name__ == "__main__":
    main()
