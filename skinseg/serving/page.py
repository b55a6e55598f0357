"""The OpenAPI document as a page for people: no script, no other file, no network."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
"""The page's content security policy."""

_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 60rem; font: 16px/1.5 system-ui,
  sans-serif; overflow-wrap: break-word; }
h1, h2, h3 { line-height: 1.25; }
h2 { margin-top: 2.5rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0;
  border-bottom: 1px solid #8885; }
code { font-size: .9em; }
"""

_FORM = """
<h3>Try it</h3>
<form method="post" action="predict" enctype="multipart/form-data">
<label>Images: <input type="file" name="images" multiple required></label>
<button>Segment</button>
</form>
"""


def page(document: Mapping[str, Any]) -> str:
    """Return the page of an OpenAPI document.

    Example:
        >>> facts = {"title": "skinseg", "version": "1", "description": "Masks."}
        >>> "<h1>skinseg 1</h1>" in page({"info": facts, "paths": {}})
        True
    """
    info = document["info"]
    title = escape(f"{info['title']} {info['version']}")
    operations = [
        _operation(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    schemas = document.get("components", {}).get("schemas", {})
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{title}</h1>\n<p>{escape(info['description'])}</p>",
            '<p>The same for programs: <a href="openapi.json">openapi.json</a>. Figures for '
            'Prometheus: <a href="metrics">metrics</a>.</p>',
            *operations,
            *(_schema(name, schema) for name, schema in schemas.items()),
            "</body></html>",
        ]
    )


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    parts = [f"<h2><code>{method.upper()} {escape(path)}</code></h2>"]
    parts += [
        f"<p>{escape(operation[key])}</p>" for key in ("summary", "description") if key in operation
    ]
    request = operation.get("requestBody")
    if request:
        kinds = ", ".join(f"<code>{escape(kind)}</code>" for kind in request["content"])
        parts.append(f"<h3>Request</h3><p>{escape(request['description'])}</p><p>{kinds}</p>")
    rows = [
        (
            f"<code>{escape(status)}</code>",
            escape(answer.get("description", "")),
            "<br>".join(_content(kind, what) for kind, what in answer.get("content", {}).items()),
        )
        for status, answer in operation["responses"].items()
    ]
    parts.append("<h3>Answers</h3>" + _table(("status", "when", "media type"), rows))
    return "\n".join(parts) + (_FORM if request else "")


def _content(kind: str, what: Mapping[str, Any]) -> str:
    return f"<code>{escape(kind)}</code> {_kind(what.get('schema', {}))}"


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    rows = [
        (f"<code>{escape(field)}</code>", _kind(value), escape(value.get("description", "")))
        for field, value in schema.get("properties", {}).items()
    ]
    heading = f'<h2 id="{escape(name)}">{escape(name)}</h2>'
    text = f"<p>{escape(schema.get('description', ''))}</p>"
    return heading + text + _table(("field", "type", "what"), rows)


def _kind(schema: Mapping[str, Any]) -> str:
    """The type of a value in a few words; what has a name is a link to it."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    if schema.get("type") == "array" and "items" in schema:
        return f"array of {_kind(schema['items'])}"
    named = schema.get("title") if schema.get("type") == "object" else schema.get("format")
    return escape(str(named or schema.get("type", "")))


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = ["".join(f"<th>{escape(text)}</th>" for text in head)]
    lines += ["".join(f"<td>{cell}</td>" for cell in row) for row in rows]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"
