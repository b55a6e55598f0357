"""The result of an evaluation, as JSON, Markdown and HTML."""

import dataclasses
import os
from pathlib import Path
from typing import Any

from skinseg.evaluation.case import Case
from skinseg.evaluation.definitions import DEFINITIONS, LABELS, RULES
from skinseg.evaluation.gallery import Picture
from skinseg.evaluation.page import page
from skinseg.evaluation.summary import Summary
from skinseg.evaluation.tables import Table, lesion_size_table, markdown_table, score_table
from skinseg.files import write_atomically, write_json


@dataclasses.dataclass(frozen=True, eq=False)
class EvaluationReport:
    """Scores of a network on a data set.

    Attributes:
        model: Name of the network.
        data: Name of the data set.
        images: Number of images.
        settings: Threshold, input size and all else that the figures depend on.
        summaries: For each size (``"own"``, ``"model"``) the scores of all images.
        lesion_sizes: For each size, the scores of the images with small, medium, large lesions.
        cases: For each size, the scores of each image in the order of the data set.
        gallery: Pictures of the ``"worst"``, ``"median"`` and ``"best"`` cases.
    """

    model: str
    data: str
    images: int
    settings: dict[str, Any]
    summaries: dict[str, Summary]
    lesion_sizes: dict[str, dict[str, Summary]]
    cases: dict[str, list[Case]]
    gallery: dict[str, list[Picture]] = dataclasses.field(default_factory=dict)

    def score(self, name: str, size: str | None = None) -> float:
        """Return a score of all images, such as ``score("pooled_iou", "model")``.

        Args:
            name: ``pooled_`` or ``mean_`` and a name of :data:`skinseg.evaluation.DEFINITIONS`.
            size: ``"own"`` or ``"model"``; the first that was evaluated if None.

        Raises:
            KeyError: If there is no such score or size.
        """
        size = next(iter(self.summaries)) if size is None else size
        return self.summaries[size].scores[name].value

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the pictures as JSON data, each image's scores too."""
        from skinseg import __version__

        return {
            "model": self.model,
            "data": self.data,
            "images": self.images,
            "skinseg": __version__,
            "settings": self.settings,
            "definitions": DEFINITIONS,
            "rules": list(RULES),
            "scores": {size: s.to_dict()["scores"] for size, s in self.summaries.items()},
            "by_lesion_size": {
                size: {name: group.to_dict() for name, group in groups.items()}
                for size, groups in self.lesion_sizes.items()
            },
            "per_image": {size: [c.to_dict() for c in cases] for size, cases in self.cases.items()},
            "gallery": {kind: [p.case.id for p in shown] for kind, shown in self.gallery.items()},
        }

    def tables(self) -> list[Table]:
        """Return the scores of all images, then those by lesion size, as text for each cell.

        Where all images are of the network's size, both sizes share their tables.
        """
        captions = self._captions()
        return [
            *(score_table(text, self.summaries[size]) for size, text in captions.items()),
            *(lesion_size_table(text, self.lesion_sizes[size]) for size, text in captions.items()),
        ]

    def markdown(self) -> str:
        """Return a summary for reading."""
        parts = [
            f"# {self.model} on {self.data}",
            f"{self.images} images. {self._setting_line()}",
            *(markdown_table(table) for table in self.tables()),
            "## What the scores mean",
            "\n".join(f"- {LABELS[name]}: {text}." for name, text in DEFINITIONS.items()),
            "\n".join(f"- {rule}" for rule in RULES),
        ]
        return "\n\n".join(parts) + "\n"

    def html(self) -> str:
        """Return one self-contained page: the scores, and the gallery with its pictures inside."""
        first = next(iter(self.cases))
        dice = [case.scores["dice"] for case in self.cases[first]]
        subtitle = f"{self.images} images on {self.data}. {self._setting_line()}"
        return page(self.model, subtitle, self.tables(), self.gallery, dice)

    def write(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write ``evaluation.json``, ``evaluation.md`` and ``gallery.html``, each atomically.

        Args:
            folder: Made if it does not exist.

        Returns:
            The three files.

        Raises:
            OSError: If the folder cannot be written to.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        files = [folder / name for name in ("evaluation.json", "evaluation.md", "gallery.html")]
        write_json(files[0], self.to_dict())
        for file, text in zip(files[1:], (self.markdown(), self.html()), strict=True):
            write_atomically(file, lambda path, text=text: path.write_text(text, encoding="utf-8"))
        return files

    def _captions(self) -> dict[str, str]:
        """What to call each size that has scores of its own."""
        height, width = self.settings["input_size"]
        captions = {
            "own": "at their own size",
            "model": f"at the network's size ({width} x {height})",
        }
        shown = {size: text for size, text in captions.items() if size in self.cases}
        same = {(case.height, case.width) for case in self.cases.get("own", ())}
        if len(shown) == 2 and same == {(height, width)}:
            return {"own": f"at their own size, which is the network's ({width} x {height})"}
        return shown

    def _setting_line(self) -> str:
        flips = ", averaged over four flips" if self.settings["tta"] else ""
        resamples = self.settings["bootstrap"]
        intervals = f" Intervals: 95 %, {resamples} resamples." if resamples else ""
        return f"Lesion: probability {self.settings['threshold']:g} or more{flips}.{intervals}"
