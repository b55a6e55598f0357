"""The results of the mutants, and the page that is made from them."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.results import FOLDER, write_result

from .mutant import Mutant

RESULT = FOLDER / "mutants.json"

_HEAD = """\
# Mutation testing

Written by `make mutants` from `mutants.json`. {total} errors of the sort that a person makes were
put into a copy of the package, one at a time: a wrong sign, a dropped argument, a forgotten call.
Each should make a test fail. For each mutant the tests of its part ran first, and the whole fast
suite where those passed. {before} of the mutants were chosen from the package's code before its
tests were looked at, and {after} after that, where tests seemed weak or a contract mattered.

When they were first tried, {first} survived; with the tests that were added since, {now} {survive}.
Commits {commits}.
"""

_LEFT_OUT = """\
Tests that fail on this machine without any mutant were left out: {tests}.
"""


def read() -> dict[str, Any]:
    """Return the recorded results; empty ones if there are none."""
    if RESULT.is_file():
        return dict(json.loads(RESULT.read_text(encoding="utf-8")))
    return {"without_mutant": {}, "mutants": {}}


def is_recorded(results: Mapping[str, Any], mutant: Mutant, commit: str) -> bool:
    """Whether there is a result of this mutant, as it is now, of a commit."""
    entry = results["mutants"].get(mutant.name)
    if entry is None or entry["last_run"]["commit"] != commit:
        return False
    return bool(entry["text"] == mutant.text and entry["replacement"] == mutant.replacement)


def record(results: dict[str, Any], mutant: Mutant, killed_by: str | None, commit: str) -> None:
    """Add the result of a mutant, and keep that of its first run."""
    found = {"killed_by": killed_by, "commit": commit}
    first = results["mutants"].get(mutant.name, {}).get("first_run", found)
    results["mutants"][mutant.name] = {
        "room": mutant.room,
        "file": mutant.file,
        "text": mutant.text,
        "replacement": mutant.replacement,
        "sentence": mutant.sentence,
        "chosen_after": mutant.chosen_after,
        "remark": mutant.remark,
        "first_run": first,
        "last_run": found,
    }


def write(results: Mapping[str, Any], mutants: Iterable[Mutant]) -> None:
    """Write the figures, those of mutants that are no longer there left out, and the page."""
    entries = results["mutants"]
    kept = {mutant.name: entries[mutant.name] for mutant in mutants if mutant.name in entries}
    data = {**results, "mutants": kept}
    write_result(RESULT, data, page(data))


def page(data: Mapping[str, Any]) -> str:
    """Return the page as Markdown."""
    entries = list(data["mutants"].values())
    after = sum(entry["chosen_after"] for entry in entries)
    first, now = (_survivors(entries, run) for run in ("first_run", "last_run"))
    commits = sorted({entry["last_run"]["commit"][:8] for entry in entries})
    head = _HEAD.format(
        total=len(entries),
        before=len(entries) - after,
        after=after,
        first=first,
        now=now,
        survive="survives" if now == 1 else "survive",
        commits=", ".join(f"`{commit}`" for commit in commits),
    )
    left_out = data["without_mutant"].get("failing", [])
    if left_out:
        head += "\n" + _LEFT_OUT.format(tests=", ".join(f"`{test}`" for test in left_out))
    rows = ["| room | mutant | first run | killed by |", "|---|---|---|---|"]
    rows += [_row(entry) for entry in entries]
    return f"{head}\n" + "\n".join(rows) + "\n"


def _survivors(entries: Iterable[Mapping[str, Any]], run: str) -> int:
    return sum(entry[run]["killed_by"] is None for entry in entries)


def _row(entry: Mapping[str, Any]) -> str:
    first = "survived" if entry["first_run"]["killed_by"] is None else "killed"
    test = entry["last_run"]["killed_by"]
    remark = f": {entry['remark']}" if entry["remark"] else ""
    killed = f"**survived**{remark}" if test is None else f"`{_short(test)}`"
    return f"| {entry['room']} | {entry['sentence']} | {first} | {killed} |"


def _short(test: str) -> str:
    """A test without its folder, on one line of a table."""
    return test.removeprefix("tests/").replace("|", "/").replace("\n", " ")
