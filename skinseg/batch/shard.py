"""One part of many images, for jobs that share them."""

import dataclasses
import re

from skinseg.locations import Location


@dataclasses.dataclass(frozen=True)
class Shard:
    """The images of one of several jobs.

    Attributes:
        index: Which job, 1 to ``count``.
        count: Number of jobs.

    Raises:
        ValueError: If there is no such job.

    Example:
        >>> Shard.parse("2/3").of(["d.jpg", "a.jpg", "c.jpg", "b.jpg", "e.jpg"])
        ['b.jpg', 'e.jpg']
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise ValueError(
                f"shard must be 1/{self.count} to {self.count}/{self.count}, not {self}"
            )

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Parse ``"2/4"``: the second of four.

        Raises:
            ValueError: If it is written otherwise, or there is no such shard.
        """
        found = re.fullmatch(r"(\d+)/([1-9]\d*)", text)
        if found is None:
            raise ValueError(f"shard must be written as 2/4, for the second of four, not {text!r}")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def suffix(self) -> str:
        """What its files have at the end of their names, as ``-2-of-4``."""
        return f"-{self.index}-of-{self.count}"

    def of(self, files: list[Location]) -> list[Location]:
        """Return this job's files: of all in alphabetical order every ``count``-th."""
        return sorted(files, key=str)[self.index - 1 :: self.count]
