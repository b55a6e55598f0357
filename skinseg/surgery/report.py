import dataclasses
from typing import Any

from torch import nn

from skinseg.formatting import aligned
from skinseg.surgery.recipe import Recipe, Step


@dataclasses.dataclass(frozen=True)
class Change:
    """One block that was put in.

    Attributes:
        place: Names of the modules that were replaced, or of the one beside which it stands.
        old: Types of the modules that were replaced; empty for an insertion.
        new: Type of the block.
        in_chans: Channels that it takes, or of each map.
        out_chans: Channels that it gives, or of each map.
        parameters_before: Parameters of what was replaced.
        parameters_after: Parameters of the block.
    """

    place: tuple[str, ...]
    old: tuple[str, ...]
    new: str
    in_chans: int | list[int]
    out_chans: int | list[int]
    parameters_before: int
    parameters_after: int


@dataclasses.dataclass(frozen=True)
class Refusal:
    """A place that was selected and left as it was.

    Attributes:
        place: Names of the modules.
        reason: Why no block can stand there.
    """

    place: tuple[str, ...]
    reason: str


@dataclasses.dataclass(frozen=True)
class SurgeryReport:
    """What was done to a network.

    ``str()`` of it is a table.

    Attributes:
        model: The network with the blocks in it: a copy, or the one given with ``inplace=True``.
        changes: The blocks, in the order of the network's modules.
        refused: Selected places without a block; always empty unless they were to be skipped.
        notes: What could not be checked, and why.
        steps: All that was done to the network, by earlier operations as well.
        input_shape: Shape of the first tensor of the example.
        parameters_before: Parameters of the network; a shared one counts once.
        parameters_after: The same, afterwards.
        macs_before: Multiply-accumulates for the example input, by ``complexity.COUNTERS["torch"]``
            (convolutions and matrix products).
        macs_after: The same, afterwards.
    """

    model: nn.Module
    changes: tuple[Change, ...]
    refused: tuple[Refusal, ...]
    notes: tuple[str, ...]
    steps: tuple[Step, ...]
    input_shape: tuple[int, ...]
    parameters_before: int
    parameters_after: int
    macs_before: int
    macs_after: int

    @property
    def recipe(self) -> Recipe:
        """All that was done to the network, as JSON data for :func:`skinseg.surgery.apply`.

        What earlier operations did is in it, so that it makes the network from the host.

        Raises:
            SurgeryError: If JSON cannot hold an option of a block.
        """
        return [step.to_dict() for step in self.steps]

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the network and its recipe as JSON data."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        del fields["model"], fields["steps"]
        for name in ("changes", "refused"):
            fields[name] = [dataclasses.asdict(entry) for entry in fields[name]]
        return fields

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("place", "was", "is", "channels", "parameters")]
        rows += [
            (
                " + ".join(change.place),
                " + ".join(change.old) or "-",
                change.new,
                f"{change.in_chans} -> {change.out_chans}",
                f"{change.parameters_before:,} -> {change.parameters_after:,}",
            )
            for change in self.changes
        ]
        lines = aligned(rows)
        lines += [f"left: {' + '.join(entry.place)}: {entry.reason}" for entry in self.refused]
        lines += self.notes
        lines += [
            f"parameters: {self.parameters_before:,} -> {self.parameters_after:,}",
            f"MACs of an input {self.input_shape}: {self.macs_before:,} -> {self.macs_after:,}",
        ]
        return "\n".join(lines)
