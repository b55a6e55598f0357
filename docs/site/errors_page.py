"""Write into docs/faq.md what the package says: run each example, and put its message below it.

    python docs/site/errors_page.py          # rewrite
    python docs/site/errors_page.py --check  # fail where a message is out of date

An example is a block marked ``.raises``: Python that ends with an error, or a command of skinseg
that fails. All examples of the page share one folder and one set of names.
"""

import os
import re
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from skinseg.cli import app
from skinseg.files import write_text

PAGE = Path(__file__).parents[1] / "faq.md"
BLOCK = re.compile(r"^```(?:python|\{\.(python|console) \.raises\})\n(.*?)^```\n", re.S | re.M)
MESSAGE = re.compile(r"\n```\{\.text \.message\}\n.*?^```\n", re.S | re.M)


def said_by_python(code: str, names: dict[str, Any]) -> str:
    """Run code that must fail, and return its error as Python prints it."""
    try:
        exec(compile(code, PAGE.name, "exec"), names)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    raise RuntimeError(f"this example of {PAGE.name} raises nothing any more:\n{code}")


def said_by_command(line: str) -> str:
    """Run a command that must fail, and return what it prints."""
    done = CliRunner().invoke(app, shlex.split(line.removeprefix("$ skinseg ")))
    if done.exit_code == 0:
        raise RuntimeError(f"this command of {PAGE.name} no longer fails: {line}")
    return done.output.strip()


def filled(text: str) -> str:
    """Return the page with every message as it is now; run in an empty folder."""
    names: dict[str, Any] = {}
    parts, end = [], 0
    text = MESSAGE.sub("", text)
    for block in BLOCK.finditer(text):
        parts.append(text[end : block.end()])
        end = block.end()
        kind, code = block.groups()
        if kind is None:
            exec(compile(code, PAGE.name, "exec"), names)
        else:
            said = said_by_command(code) if kind == "console" else said_by_python(code, names)
            parts.append(f"\n```{{.text .message}}\n{said}\n```\n")
    return "".join([*parts, text[end:]])


def main() -> None:
    old = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        new = filled(old)
        os.chdir(PAGE.parent)
    if "--check" in sys.argv:
        sys.exit("docs/faq.md is out of date, run `make docs`" if new != old else 0)
    write_text(PAGE, new)


if __name__ == "__main__":
    main()
