"""Errors are told apart by their classes, and speak to users of Python and of the shell alike."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "skinseg"
# Strings that show a whole command, or styles of a page, are no errors.
ELSEWHERE = ("cli/", "reports/")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
COMMAND = re.compile(r"skinseg [a-z]+ [^`]*")
SEARCHES = {"startswith", "endswith", "find", "index", "count", "search", "match", "fullmatch"}


def is_text_of_an_error(node, names):
    """Whether this is ``str(error)``, ``repr(error)`` or ``error.args``."""
    if isinstance(node, ast.Attribute) and node.attr in ("args", "message"):
        return isinstance(node.value, ast.Name) and node.value.id in names
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("str", "repr")
        and any(isinstance(given, ast.Name) and given.id in names for given in node.args)
    )


def searched_errors(tree):
    """Lines in which the text of an error is compared or searched."""
    caught = {n.name for n in ast.walk(tree) if isinstance(n, ast.ExceptHandler) and n.name}
    annotated = {
        n.arg
        for n in ast.walk(tree)
        if isinstance(n, ast.arg) and re.search("Error|Exception", ast.unparse(n.annotation or n))
    }
    for node in ast.walk(tree):
        asks = isinstance(node, ast.Compare)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            asks = node.func.attr in SEARCHES
        if asks and any(is_text_of_an_error(n, caught | annotated) for n in ast.walk(node)):
            yield node.lineno


def options_named(tree):
    """Options of a command line in the strings of a module, docstrings left out."""
    documented = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = "" if id(node) in documented else COMMAND.sub("", node.value)
            yield from OPTION.findall(text)


def found_in_package(search):
    """What a search finds, by file."""
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        found[file.relative_to(PACKAGE).as_posix()] = list(search(tree))
    return {name: places for name, places in found.items() if places}


def test_no_code_looks_into_the_text_of_an_error():
    assert found_in_package(searched_errors) == {}


def test_no_error_of_the_library_names_an_option_of_the_command_line():
    found = found_in_package(options_named)
    assert {name for name in found if not name.startswith(ELSEWHERE)} == set()


@pytest.mark.parametrize(
    "code",
    [
        "'Mend' in str(error)",
        "str(error).startswith('Mend')",
        "error.args[0] == 'Mend'",
        "re.search('Mend', str(error))",
    ],
)
def test_the_first_of_these_would_notice(code):
    tree = ast.parse(f"try:\n    work()\nexcept ValueError as error:\n    found = {code}")
    assert list(searched_errors(tree)) == [4]


def test_the_second_of_these_would_notice():
    assert list(options_named(ast.parse("raise ValueError(f'{x} is broken; pass --any-label')")))
    assert not list(options_named(ast.parse("text = 'see `skinseg evaluate --help`'")))
