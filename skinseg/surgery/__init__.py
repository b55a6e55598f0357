"""Put blocks into networks that are not this package's: any torch module, by its own weights.

:func:`replace` takes modules out and blocks in; :func:`insert` puts a block after or before a
module. Where, is told by :func:`by_name`, :func:`by_type` or :func:`conv_run`. Both work on a copy
unless ``inplace=True``, run the network before and after, at two sizes and in training, refuse with
the reason what would change a shape or not train, and return a :class:`SurgeryReport`.
:func:`preview` shows places, maps and costs, and changes nothing. A report's ``recipe`` is JSON;
:func:`apply` does the same again on another network of the same kind.
"""

from skinseg.surgery.apply import apply
from skinseg.surgery.fit import SurgeryError
from skinseg.surgery.insert import insert
from skinseg.surgery.preview import Place, Preview, preview
from skinseg.surgery.recipe import Recipe, recipe_of
from skinseg.surgery.replace import replace
from skinseg.surgery.report import Change, Refusal, SurgeryReport
from skinseg.surgery.select import Selector, by_name, by_type
from skinseg.surgery.structure import conv_run

__all__ = [
    "Change",
    "Place",
    "Preview",
    "Recipe",
    "Refusal",
    "Selector",
    "SurgeryError",
    "SurgeryReport",
    "apply",
    "by_name",
    "by_type",
    "conv_run",
    "insert",
    "preview",
    "recipe_of",
    "replace",
]
