"""Pictures of the best, median and worst cases: the image with its true and predicted outline."""

import dataclasses
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image
from scipy import ndimage

from skinseg.data import Sample, SegmentationDataset
from skinseg.data.levels import is_lesion
from skinseg.evaluation.case import Case
from skinseg.evaluation.result import EvaluationResult
from skinseg.inference import Predictor

TRUE_COLOR = (255, 214, 0)
PREDICTED_COLOR = (0, 229, 255)

# Shown at half of this, so that lines are fine on dense screens.
_LONG_SIDE = 560
# The predicted line is the finer one and is on top: where both run together, both are seen.
_TRUE_WIDTH, _PREDICTED_WIDTH, _EDGE = 5.5, 2.5, 1.2
_JPEG = {"quality": 82, "subsampling": 0, "optimize": True}


@dataclasses.dataclass(frozen=True)
class Picture:
    """A case as it is shown.

    Attributes:
        case: Its scores.
        outlined: JPEG file of the image with both outlines.
        plain: JPEG file of the image alone.
        size: Width and height of both in pixels.
    """

    case: Case
    outlined: bytes
    plain: bytes
    size: tuple[int, int]


def choose(cases: Sequence[Case], number: int) -> dict[str, list[int]]:
    """Choose the cases to show, by Dice; of equal ones that with the smaller HD95 is better.

    No case is shown twice: of few images, fewer than ``number`` are shown of each kind.

    Args:
        cases: All cases.
        number: Most that are chosen of each kind.

    Returns:
        Indices for ``"worst"`` (worst first), ``"median"`` and ``"best"`` (best first); kinds
        without any are left out.
    """

    def rank(index: int) -> tuple[float, float, str]:
        case = cases[index]
        return case.scores["dice"], -case.scores["hd95"], case.id

    order = sorted(range(len(cases)), key=rank)
    each = min(number, max(1, len(order) // 3))
    worst = order[:each] if number else []
    rest = order[len(worst) :]
    best = rest[-each:][::-1] if number else []
    rest = rest[: len(rest) - len(best)]
    # The median of all, which is in the middle of what is left as well.
    start = max(0, (len(rest) - each) // 2)
    median = rest[start : start + each] if number else []
    chosen = {"worst": worst, "median": median, "best": best}
    return {kind: indices for kind, indices in chosen.items() if indices}


def draw(case: Case, sample: Sample, predicted: np.ndarray) -> Picture:
    """Draw a case.

    Args:
        case: Its scores.
        sample: Image and true mask.
        predicted: bool (H, W), the predicted mask at the image's own size.
    """
    image = Image.fromarray(sample.image)
    scale = _LONG_SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    plain = image.resize(size, Image.Resampling.LANCZOS)
    pixels = np.asarray(plain, np.float32)
    true_line, predicted_line = (_distance(m, size) for m in (sample.mask, predicted))
    for line, width in ((true_line, _TRUE_WIDTH), (predicted_line, _PREDICTED_WIDTH)):
        pixels = _painted(pixels, line, width + 2 * _EDGE, (0, 0, 0), 0.55)
        color = TRUE_COLOR if line is true_line else PREDICTED_COLOR
        pixels = _painted(pixels, line, width, color, 1.0)
    outlined = Image.fromarray(pixels.round().astype(np.uint8))
    return Picture(case, _jpeg(outlined), _jpeg(plain), size)


def draw_gallery(
    predictor: Predictor,
    dataset: SegmentationDataset,
    result: EvaluationResult,
    number: int = 4,
) -> dict[str, list[Picture]]:
    """Draw the best, median and worst cases of an evaluation.

    They are predicted once more: holding all masks since the evaluation would fill the memory.

    Args:
        predictor: What was evaluated.
        dataset: What it was evaluated on.
        result: The evaluation; the first of its sizes ranks the cases.
        number: Most that are drawn of each kind; 0 for none.

    Returns:
        Pictures of the ``"worst"``, ``"median"`` and ``"best"`` cases; kinds without any are left
        out.

    Raises:
        ValueError: If ``number`` is negative.
    """
    if number < 0:
        raise ValueError(f"number must be 0 or more pictures of each kind, not {number}")
    cases = next(iter(result.cases.values()))
    pictures = {}
    for kind, chosen in choose(cases, number).items():
        samples = [(cases[index], dataset[index]) for index in chosen]
        pictures[kind] = [draw(case, s, predictor(s.image).mask) for case, s in samples]
    return pictures


def _distance(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Distance of each pixel of a mask at ``size`` (width, height) from its outline."""
    smooth = Image.fromarray(mask).convert("L").resize(size, Image.Resampling.BILINEAR)
    # Skin all around closes the outline of a lesion that the frame cuts.
    inside = np.pad(is_lesion(np.asarray(smooth)), 1)
    if not inside.any():
        return np.full((size[1], size[0]), np.inf, np.float32)
    distance: np.ndarray = np.where(
        inside, ndimage.distance_transform_edt(inside), ndimage.distance_transform_edt(~inside)
    )
    return (distance[1:-1, 1:-1] - 0.5).astype(np.float32)


def _painted(
    pixels: np.ndarray,
    distance: np.ndarray,
    width: float,
    color: tuple[int, int, int],
    opacity: float,
) -> np.ndarray:
    cover = np.clip(width / 2 + 0.5 - distance, 0, 1)[:, :, None] * np.float32(opacity)
    return pixels * (1 - cover) + np.array(color, np.float32) * cover


def _jpeg(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **_JPEG)
    return file.getvalue()
