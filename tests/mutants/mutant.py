"""What a mutant is, an error put in on purpose, and how it gets into a tree of files."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Mutant:
    """An error of the sort that a person makes.

    Attributes:
        name: Name that its result is kept under.
        file: File of the repository.
        text: What stands there, exactly once.
        replacement: What the error puts in its place.
        sentence: What goes wrong.
        tests: Tests to run first: files without ``test_`` and ``.py``, or ``file::test``.
        slow_tests: Slow tests to run where those pass, in the same way.
        chosen_after: Whether it was chosen with the tests in view; the others were chosen from the
            package's code alone, before anyone looked at what tests there are.
        remark: Why it may survive.
    """

    name: str
    file: str
    text: str
    replacement: str
    sentence: str
    tests: tuple[str, ...]
    slow_tests: tuple[str, ...] = ()
    chosen_after: bool = False
    remark: str = ""

    @property
    def room(self) -> str:
        """Part of the package that the file is in."""
        return Path(self.file).parts[1].removesuffix(".py")

    @property
    def fast(self) -> list[str]:
        """Tests to run first, as pytest names them."""
        return [_as_pytest_does(name) for name in self.tests]

    @property
    def slow(self) -> list[str]:
        """Slow tests, as pytest names them."""
        return [_as_pytest_does(name) for name in self.slow_tests]

    def applies(self, tree: Path) -> bool:
        """Whether the text occurs exactly once in the file of a tree."""
        path = tree / self.file
        return path.is_file() and path.read_text(encoding="utf-8").count(self.text) == 1

    @contextmanager
    def applied(self, tree: Path) -> Iterator[None]:
        """Put the error into a tree, and take it out again."""
        path = tree / self.file
        before = path.read_text(encoding="utf-8")
        path.write_text(before.replace(self.text, self.replacement), encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(before, encoding="utf-8")


def _as_pytest_does(name: str) -> str:
    file, *test = name.split("::")
    return "::".join([f"tests/test_{file}.py", *test])
