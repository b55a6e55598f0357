"""The result of an evaluation: numbers, and nothing of how they are shown."""

import dataclasses
from typing import Any

from skinseg.evaluation.case import Case
from skinseg.evaluation.definitions import DEFINITIONS, RULES
from skinseg.evaluation.summary import Summary
from skinseg.formatting import counted
from skinseg.version import __version__


@dataclasses.dataclass(frozen=True, eq=False)
class EvaluationResult:
    """Scores of a network on a data set.

    Attributes:
        model: Name of the network.
        data: Name of the data set.
        images: Number of images.
        settings: Threshold, input size and all else that the figures depend on.
        summaries: For each size (``"own"``, ``"model"``) the scores of all images.
        lesion_sizes: For each size, the scores of the images with small, medium, large lesions.
        cases: For each size, the scores of each image in the order of the data set.
        without_postprocessing: The scores of the same images' masks as the threshold has them,
            where the predictor post-processes masks; None where it does not.
    """

    model: str
    data: str
    images: int
    settings: dict[str, Any]
    summaries: dict[str, Summary]
    lesion_sizes: dict[str, dict[str, Summary]]
    cases: dict[str, list[Case]]
    without_postprocessing: "EvaluationResult | None" = None

    def __repr__(self) -> str:
        """What was scored on what, and the lesion's pooled IoU and mean Dice at each size."""
        scores = "".join(
            f"; {size} size: pooled IoU {self.score('pooled_iou', size):.3f}, "
            f"mean Dice {self.score('mean_dice', size):.3f}"
            for size in self.summaries
        )
        images = counted(self.images, "image")
        return f"<EvaluationResult: {self.model} on {self.data}, {images}{scores}>"

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
        """Return everything as JSON data, each image's scores too."""
        plain = self.without_postprocessing
        others = {} if plain is None else {"without_postprocessing": plain._scores()}
        return {
            "model": self.model,
            "data": self.data,
            "images": self.images,
            "skinseg": __version__,
            "settings": self.settings,
            "definitions": DEFINITIONS,
            "rules": list(RULES),
            **self._scores(),
            **others,
        }

    def _scores(self) -> dict[str, Any]:
        return {
            "scores": {size: s.to_dict()["scores"] for size, s in self.summaries.items()},
            "by_lesion_size": {
                size: {name: group.to_dict() for name, group in groups.items()}
                for size, groups in self.lesion_sizes.items()
            },
            "per_image": {size: [c.to_dict() for c in cases] for size, cases in self.cases.items()},
        }
