"""Put one error at a time into a copy of the package, and see whether a test notices.

    python -m tests.faults [NAME ...]

What is committed is tested, in a temporary folder. Results go to docs/results after each fault; a
run that was stopped goes on where it was, as long as neither package nor tests have changed.
"""

import argparse
from typing import Any

from . import judge, report
from .catalog import FAULTS
from .fault import Fault


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help="only these faults")
    parser.add_argument("--page", action="store_true", help="write the page again, test nothing")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - {fault.name for fault in FAULTS}
    if unknown:
        parser.error(f"there is no fault {', '.join(sorted(unknown))}")
    results = report.read()
    if not arguments.page:
        run(results, set(arguments.names))
    report.write(results, FAULTS)


def run(results: dict[str, Any], names: set[str]) -> None:
    """Try the named faults, or all, that have no result of this commit."""
    commit = judge.commit()
    named = [fault for fault in FAULTS if not names or fault.name in names]
    wanted = [fault for fault in named if not report.is_recorded(results, fault, commit)]
    if not wanted:
        return

    def record(fault: Fault, killed_by: str | None) -> None:
        print(f"{fault.name}: {killed_by or 'SURVIVED'}", flush=True)
        report.record(results, fault, killed_by, commit)
        report.write(results, FAULTS)

    with judge.copied_tree() as tree:
        if results["without_fault"].get("commit") != commit:
            failing = judge.failing(tree, FAULTS)
            results["without_fault"] = {"commit": commit, "failing": failing}
            print(f"without any fault: {', '.join(failing) or 'all tests pass'}", flush=True)
        left_out = results["without_fault"]["failing"]
        unnoticed = []
        for fault in wanted:
            if not fault.applies(tree):
                print(f"{fault.name}: NO LONGER APPLIES; its text is not in {fault.file} once")
                continue
            killed_by = judge.killed_by(tree, fault, left_out)
            if killed_by:
                record(fault, killed_by)
            else:
                unnoticed.append(fault)
        while unnoticed:
            print(f"the whole suite, for {', '.join(f.name for f in unnoticed)}", flush=True)
            found = judge.killed_by_suite(tree, unnoticed, left_out)
            for fault in unnoticed:
                if fault.name in found:
                    record(fault, found[fault.name])
            unnoticed = [fault for fault in unnoticed if fault.name not in found]


if __name__ == "__main__":
    main()
