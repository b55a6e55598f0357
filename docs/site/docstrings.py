"""Docstrings as the site shows them: Sphinx roles as links, an ``Example:`` as examples."""

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod):`(~?)([\w.]+)`")
# Of Google's sections, griffe knows the plural alone.
_EXAMPLE = re.compile(r"^( *)Example:$", re.MULTILINE)


class SiteDocstrings(griffe.Extension):
    """Prepares each docstring for mkdocstrings."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite the docstring of an object, once its module is loaded."""
        if obj.docstring:
            text = _ROLE.sub(lambda role: _link(obj, *role.groups()), obj.docstring.value)
            obj.docstring.value = _EXAMPLE.sub(r"\1Examples:", text)


def _link(obj: griffe.Object, short: str, name: str) -> str:
    """Return a link to what a role names, which is plain code where that is not documented."""
    shown = name.rpartition(".")[2] if short else name
    try:
        target = obj.resolve(name)
    except griffe.NameResolutionError:
        target = name
    return f'<autoref identifier="{target}" optional><code>{shown}</code></autoref>'
