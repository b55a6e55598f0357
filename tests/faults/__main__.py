"""Put one error at a time into a copy of the package, and see whether a test notices.

    python -m tests.faults [NAME ...]

What is committed is tested, in a temporary folder. Results go to docs/results after each fault; a
run that was stopped goes on where it was, as long as neither package nor tests have changed.
"""

import argparse
from typing import Any

from . import judge, report
from .catalog import FAULTS


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
    with judge.copied_tree() as tree:
        if wanted and results["without_fault"].get("commit") != commit:
            print("without any fault:", flush=True)
            failing = judge.failing(tree, FAULTS)
            results["without_fault"] = {"commit": commit, "failing": failing}
            print(f"  {', '.join(failing) or 'all tests pass'}", flush=True)
        for number, fault in enumerate(wanted, 1):
            print(f"{number} of {len(wanted)}: {fault.name}:", flush=True)
            if not fault.applies(tree):
                print(f"  NO LONGER APPLIES: its text is not in {fault.file} exactly once")
                continue
            killed_by = judge.killed_by(tree, fault, results["without_fault"]["failing"])
            print(f"  {killed_by or 'SURVIVED'}", flush=True)
            report.record(results, fault, killed_by, commit)
            report.write(results, FAULTS)


if __name__ == "__main__":
    main()
