"""One file per network family: its class, its registered variants, its authors' names of weights.

A family's classes are named in ``__init__.pyi``, and its networks in ``catalog.json``, which
``make catalog`` writes; its module is imported when one of them is first asked for.
"""

import json
from pathlib import Path

import lazy_loader

from skinseg.registry import declare_model

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

CATALOG: dict[str, dict[str, int | str]] = json.loads(
    Path(__file__).with_name("catalog.json").read_text(encoding="utf-8")
)
for _name, _entry in CATALOG.items():
    declare_model(_name, f"{__name__}.{_entry['module']}")
declare_model("ensemble", f"{__name__}.ensemble", listed=False)
