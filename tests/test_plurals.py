"""One image is no "1 images"."""

import re
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "skinseg"
# A number in an f-string before a plural: right for every number but 1.
FIXED = re.compile(r"\{[^{}]+\} (images|pictures|ids|masks|epochs|files|folds|groups|steps)\b")
# Numbers that are never 1, each known by its line.
NEVER_ONE = (
    "different picture",  # Fewer pictures than images: two images or more.
    "training images learn more",
    "images are enough to learn from",
    "images tell epochs apart",
    "images make few steps",
    "the fast form for",
    "{kind} images of the run",
)


def test_numbers_have_the_right_noun():
    wrong = [
        f"{path}: {line.strip()}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if FIXED.search(line) and not any(text in line for text in NEVER_ONE)
    ]
    assert not wrong, "use skinseg.formatting.counted"
