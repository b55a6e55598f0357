"""The results of the faults, and the page that is made from them."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.results import FOLDER, write_result

from .fault import Fault

RESULT = FOLDER / "faults.json"

_HEAD = """\
# Deliberate faults

Written by `make faults` from `faults.json`. {total} errors of the sort that a person makes were put
into a copy of the package, one at a time: a wrong sign, a dropped argument, a forgotten call. Each
should make a test fail. For each fault the tests of its part ran first, and the whole fast suite
where those passed. {before} of the faults were chosen from the package's code before its tests were
looked at, and {after} after that, where tests seemed weak.

In the first run {first} survived; with the tests that were added since, {now} {survive}. Commit
{commits}.
"""

_LEFT_OUT = """\
Tests that fail on this machine without any fault were left out: {tests}.
"""


def read() -> dict[str, Any]:
    """Return the recorded results; empty ones if there are none."""
    if RESULT.is_file():
        return dict(json.loads(RESULT.read_text(encoding="utf-8")))
    return {"without_fault": {}, "faults": {}}


def is_recorded(results: Mapping[str, Any], fault: Fault, commit: str) -> bool:
    """Whether there is a result of this fault, as it is now, of a commit."""
    entry = results["faults"].get(fault.name)
    if entry is None or entry["last_run"]["commit"] != commit:
        return False
    return bool(entry["text"] == fault.text and entry["replacement"] == fault.replacement)


def record(results: dict[str, Any], fault: Fault, killed_by: str | None, commit: str) -> None:
    """Add the result of a fault, and keep that of its first run."""
    found = {"killed_by": killed_by, "commit": commit}
    first = results["faults"].get(fault.name, {}).get("first_run", found)
    results["faults"][fault.name] = {
        "room": fault.room,
        "file": fault.file,
        "text": fault.text,
        "replacement": fault.replacement,
        "sentence": fault.sentence,
        "chosen_after": fault.chosen_after,
        "remark": fault.remark,
        "first_run": first,
        "last_run": found,
    }


def write(results: Mapping[str, Any], faults: Iterable[Fault]) -> None:
    """Write the figures, those of faults that are no longer there left out, and the page."""
    entries = results["faults"]
    kept = {fault.name: entries[fault.name] for fault in faults if fault.name in entries}
    data = {**results, "faults": kept}
    write_result(RESULT, data, page(data))


def page(data: Mapping[str, Any]) -> str:
    """Return the page as Markdown."""
    entries = list(data["faults"].values())
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
    left_out = data["without_fault"].get("failing", [])
    if left_out:
        head += "\n" + _LEFT_OUT.format(tests=", ".join(f"`{test}`" for test in left_out))
    rows = ["| room | fault | first run | killed by |", "|---|---|---|---|"]
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
