"""Images segmented and written by one process."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

import skinseg
from skinseg.batch.results import ResultFolder, Row
from skinseg.formatting import printable
from skinseg.inference.prefetch import prefetch_map
from skinseg.locations import Location

if TYPE_CHECKING:
    from skinseg.inference import Prediction, Predictor


def segment(
    predictor: Predictor, files: Sequence[Location], folder: ResultFolder
) -> Generator[tuple[Location, Row], None, None]:
    """Segment images and write their pictures.

    Threads read ahead of the network, and write after it.

    Args:
        predictor: With as many threads to write as it has to read.
        files: Images.
        folder: Where the pictures go.

    Yields:
        Each image with its row, in order, once its pictures are there; the row of one that cannot
        be read has the reason.

    Raises:
        OutputError: If a picture cannot be written.
        Exception: As :meth:`skinseg.Predictor.stream`, but for images.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> out = Path(tempfile.mkdtemp())
        >>> image, _ = skinseg.data.synthetic_lesion(9)
        >>> skinseg.data.write_png(out / "x.png", image)
        >>> predictor = skinseg.Predictor("egeunet")
        >>> [(file.name, row.mask_file) for file, row in
        ...  segment(predictor, [out / "x.png"], ResultFolder(out))]
        [('x.png', 'x_mask.png')]
    """

    def write(item: tuple[Location, Prediction | Exception]) -> tuple[Location, Row]:
        file, result = item
        try:
            if isinstance(result, Exception):
                raise result
            return file, folder.write(file, result)
        except skinseg.data.ImageError as error:
            return file, Row(printable(str(file)), error=printable(str(error)))

    results = zip(files, predictor.stream(files, return_exceptions=True), strict=True)
    workers = predictor.workers
    yield from prefetch_map(write, results, ahead=2 * workers, workers=workers)
