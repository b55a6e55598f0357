"""A terminal that remembers: commands of the package, how they ended, and what they said."""

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.first_hour.files import unsound

# What a person must never see: Python's own messages, and codes for colors in a pipe.
UNWANTED = re.compile(r"Traceback|Exception ignored|^\s+File \"|\b\w*Warning: |\x1b\[", re.M)
BAR = "━"  # Of a progress bar.
MOST_SECONDS = 120


class Unexpected(Exception):
    """A command did, said or left behind something else than it should."""


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        chapter: Part of the way.
        command: As typed.
        status: Exit status.
        said: The lines of the output that were looked for.
        seconds: How long it took.
        interrupted: When it was interrupted, in words; empty if it was not.
    """

    chapter: str
    command: str
    status: int
    said: list[str]
    seconds: float
    interrupted: str = ""


@dataclass
class Terminal:
    """Runs commands in one folder, and requires of each what is expected.

    Args:
        folder: Where the commands run.
        environment: Variables beside those of this process.
    """

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    chapter: str = ""
    steps: list[Step] = field(default_factory=list)

    def run(
        self,
        *arguments: object,
        status: int = 0,
        says: Sequence[str] = (),
        only: bool = False,
        environment: Mapping[str, str] | None = None,
        interrupt: "Interruption | None" = None,
    ) -> str:
        """Run ``skinseg`` with arguments, and return all that it printed.

        Args:
            arguments: Of the command line.
            status: Exit status that it must have.
            says: Texts that its output must have, each in one line.
            only: Whether no other line may be in the output, but for progress bars.
            environment: Variables beside the terminal's.
            interrupt: When to press Ctrl-C.

        Raises:
            Unexpected: If anything is otherwise, or a file is half-written.
        """
        variables = {**os.environ, **self.environment, **(environment or {})}
        began = time.monotonic()
        ended, printed = self._execute(list(map(str, arguments)), variables, interrupt)
        seconds = round(time.monotonic() - began, 2)
        typed = shlex.join(["skinseg", *map(str, arguments)])
        found = [_line(printed, text) for text in says]
        problems = [f"status {ended}, not {status}"] * (ended != status)
        problems += [f"not said: {t}" for t, line in zip(says, found, strict=True) if not line]
        problems += [f"printed: {text}" for text in UNWANTED.findall(printed)]
        if only:
            lines = [line.strip() for line in printed.splitlines() if BAR not in line]
            problems += [f"said, too: {line}" for line in lines if line and line not in found]
        problems += unsound(self.folder)
        if problems:
            listed = "\n  ".join(problems)
            raise Unexpected(f"$ {typed}\n  {listed}\nIt printed:\n{printed}")
        pressed = "" if interrupt is None else interrupt.words
        self.steps.append(Step(self.chapter, typed, ended, found, seconds, pressed))
        return printed

    def _execute(
        self, arguments: list[str], variables: dict[str, str], interrupt: "Interruption | None"
    ) -> tuple[int, str]:
        """Run a command, and return its exit status and all that it printed."""
        with tempfile.TemporaryDirectory() as outside:
            printed = Path(outside, "stdout"), Path(outside, "stderr")
            with open(printed[0], "wb") as stdout, open(printed[1], "wb") as stderr:
                process = subprocess.Popen(
                    [sys.executable, "-m", "skinseg", *arguments],
                    cwd=self.folder,
                    env=variables,
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                )
                try:
                    if interrupt is not None:
                        interrupt.wait(process, printed[1])
                    ended = process.wait(MOST_SECONDS)
                finally:
                    process.kill()
            return ended, "\n".join(file.read_text(encoding="utf-8") for file in printed)

    def refuses(self, *arguments: object, status: int = 2, says: str) -> None:
        """Run a command that must end with an error of these lines, and say nothing else."""
        self.run(*arguments, status=status, says=f"Error: {says}".split("\n"), only=True)


@dataclass(frozen=True)
class Interruption:
    """Ctrl-C at a certain moment.

    Args:
        words: The moment, in words.
        reached: Told the process and its standard error so far; whether the moment has come.
    """

    words: str
    reached: Callable[[int, str], bool]

    def wait(self, process: "subprocess.Popen[bytes]", stderr: Path) -> None:
        """Wait for the moment, then send SIGINT.

        Raises:
            Unexpected: If the process ended before, or the moment did not come.
        """
        last = time.monotonic() + MOST_SECONDS
        while not self.reached(process.pid, stderr.read_text(encoding="utf-8", errors="replace")):
            if process.poll() is not None or time.monotonic() > last:
                text = stderr.read_text(encoding="utf-8", errors="replace")
                raise Unexpected(f"no moment for Ctrl-C {self.words}; it said:\n{text}")
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)


def _line(printed: str, text: str) -> str:
    """The line with a text; empty if there is none."""
    return next((line.strip() for line in printed.splitlines() if text in line), "")


def require(fact: bool, otherwise: str) -> None:
    """Go on only where something is so.

    Raises:
        Unexpected: If it is not.
    """
    if not fact:
        raise Unexpected(otherwise)
