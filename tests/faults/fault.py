import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Fault:
    """An error put into the package on purpose, of the sort that a person makes.

    Attributes:
        name: Under which its result is kept.
        file: File of the repository.
        text: What stands there, exactly once.
        replacement: What the error puts in its place.
        sentence: What goes wrong.
        tests: Test files worth running first, fast tests only.
        slow_tests: Tests marked slow that run where the others pass, as pytest names them.
    """

    name: str
    file: str
    text: str
    replacement: str
    sentence: str
    tests: tuple[str, ...] = ()
    slow_tests: tuple[str, ...] = ()
