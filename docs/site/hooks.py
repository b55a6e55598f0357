"""What mkdocs adds to the site while it builds: pages that are listed or made, not written."""

import ast
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

DOCS = Path(__file__).parents[1]
PACKAGE = DOCS.parent / "skinseg"
EXAMPLES = DOCS.parent / "build" / "examples"
FIRST = ("factory", "inference")
# Their contents are shown elsewhere: one page per family, and the version.
REPLACED = {"models": ["models.base", "models.features", "models.citation"], "version": []}


def _imports(stub: Path) -> list[ast.ImportFrom]:
    """The imports of a stub, which name what a package loads when it is first used."""
    body = ast.parse(stub.read_text(encoding="utf-8")).body
    return [node for node in body if isinstance(node, ast.ImportFrom)]


def public_subpackages() -> list[str]:
    """Return the modules that the package's face names, those that everybody needs first."""
    imports = _imports(PACKAGE / "__init__.pyi")
    names = {node.module for node in imports if node.module}
    names |= {alias.name for node in imports if not node.module for alias in node.names}
    rest = sorted(name for name in names - {*FIRST} if REPLACED.get(name, [name]))
    return [*FIRST, *rest]


def reference_page(name: str) -> str:
    """Return the page of a subpackage: its docstrings, and those of the packages in it."""
    inner = sorted(path.parent.name for path in PACKAGE.glob(f"{name}/*/__init__.py"))
    modules = REPLACED.get(
        name, [name, *_lazily_named(name), *(f"{name}.{package}" for package in inner)]
    )
    return "\n\n".join([f"# skinseg.{name}", *(f"::: skinseg.{module}" for module in modules)])


def _lazily_named(name: str) -> list[str]:
    """What a subpackage's stub names, each by its module; griffe does not look there."""
    stub = PACKAGE / name / "__init__.pyi"
    if not stub.is_file():
        return []
    return [f"{name}.{node.module}.{alias.name}" for node in _imports(stub) for alias in node.names]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Fill in the parts of the navigation that are folders: networks and reference."""
    networks = [f"networks/{path.name}" for path in sorted(DOCS.glob("networks/*.md"))]
    reference = [f"reference/{name}.md" for name in public_subpackages()]
    for section in config.nav or []:
        _extend(section, "Networks", networks)
        _extend(section, "API reference", reference)
    return config


def _extend(section: dict[str, Any], title: str, pages: list[str]) -> None:
    if title in section:
        section[title] = [*(section[title] or []), *pages]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the reference, and the reports that ``example_reports.py`` made."""
    for name in public_subpackages():
        uri = f"reference/{name}.md"
        files.append(File.generated(config, uri, content=reference_page(name)))
    for path in sorted(EXAMPLES.glob("*.html")):
        uri = f"examples/{path.name}"
        files.append(File.generated(config, uri, abs_src_path=str(path)))
    return files
