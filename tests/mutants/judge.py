"""Tests run in a copy of the repository."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from .mutant import Mutant

ROOT = Path(__file__).parents[2]
FAST = ["-m", "not slow", "--ignore=tests/test_mutants.py"]
"""The fast suite but for the test that looks for the mutants' texts, which notices every mutant."""

_LIMIT = 1800
_FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)


def commit() -> str:
    """Return the last commit that changed the package or its tests, but for the mutants."""
    paths = ["skinseg", "tests", "pyproject.toml", ":!tests/mutants", ":!tests/test_mutants.py"]
    command = ["git", "log", "-1", "--format=%H", "--", *paths]
    return subprocess.check_output(command, cwd=ROOT, text=True).strip()


@contextmanager
def copied_tree() -> Iterator[Path]:
    """Clone HEAD into a temporary folder; what is not committed is not in it."""
    with TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        subprocess.run(["git", "clone", "--quiet", "--shared", str(ROOT), str(tree)], check=True)
        reference = ROOT.parent / "shared"  # Where tests look for data that is not committed.
        if reference.is_dir():
            Path(folder, "shared").symlink_to(reference)
        yield tree


def failing(tree: Path, mutants: Iterable[Mutant]) -> list[str]:
    """Return the tests that fail without a mutant, of the fast suite and the mutants' slow ones."""
    slow = sorted({test for mutant in mutants for test in mutant.slow})
    return [
        *_failed(tree, FAST),
        *(_failed(tree, slow) if slow else []),
    ]


def killed_by(tree: Path, mutant: Mutant, left_out: Sequence[str]) -> str | None:
    """Return the first of its own tests that notices a mutant, or None.

    Args:
        tree: Copy of the repository.
        mutant: Mutant to apply; it is taken out again.
        left_out: Tests that fail without it.
    """
    left_out = list(left_out)
    with mutant.applied(tree):
        for arguments in filter(None, ([*FAST, *mutant.fast], mutant.slow)):
            while failed := _failed(tree, ["-x", *_without(left_out), *arguments]):
                if _failed(tree, failed[:1]):
                    return failed[0]
                left_out.append(failed[0])  # It failed by chance.
    return None


def killed_by_suite(
    tree: Path, mutants: Sequence[Mutant], left_out: Sequence[str]
) -> dict[str, str | None]:
    """Return the first test of the whole fast suite that notices each mutant, or None.

    The suite takes minutes, so it runs once with all mutants together; the tests that fail are then
    run with each mutant alone.

    Args:
        tree: Copy of the repository.
        mutants: Faults to apply. Those whose text another one has changed are not in the result.
        left_out: Tests that fail without them.
    """
    together = []
    with ExitStack() as stack:
        for mutant in mutants:
            if mutant.applies(tree):
                stack.enter_context(mutant.applied(tree))
                together.append(mutant)
        failed = _failed(tree, [*FAST, *_without(left_out)])
    found: dict[str, str | None] = {}
    for mutant in together:
        with mutant.applied(tree):
            alone = _failed(tree, ["-x", *failed]) if failed else []
        found[mutant.name] = alone[0] if alone else None
    return found


def _without(tests: Sequence[str]) -> list[str]:
    return [f"--deselect={test}" for test in tests]


def _failed(tree: Path, arguments: Sequence[str]) -> list[str]:
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-rfE", "-p", "no:cacheprovider"]
    # Two changes of a file within a second would have one compiled file.
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [*command, *arguments],
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_LIMIT,
        )
    except subprocess.TimeoutExpired:
        return [f"no end within {_LIMIT // 60} minutes"]
    if done.returncode < 0:
        raise SystemExit(f"pytest was ended by signal {-done.returncode}; nothing was recorded")
    if done.returncode in (0, 5):  # All passed, or none was left to run.
        return []
    # Where even the tests' set-up fails, no test is named.
    return _FAILED.findall(done.stdout) or [_last_line(done)]


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[-1] if lines else f"pytest ended with status {done.returncode}"
