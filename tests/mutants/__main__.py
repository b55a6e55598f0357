"""Put one error at a time into a copy of the package, and see whether a test notices.

    python -m tests.mutants [NAME ...]

What is committed is tested, in a temporary folder. Results go to docs/results after each mutant; a
run that was stopped goes on where it was, as long as neither package nor tests have changed.
"""

import argparse
from typing import Any

from . import judge, report
from .catalog import MUTANTS
from .mutant import Mutant


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help="only these mutants")
    parser.add_argument("--page", action="store_true", help="write the page again, test nothing")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - {mutant.name for mutant in MUTANTS}
    if unknown:
        parser.error(f"there is no mutant {', '.join(sorted(unknown))}")
    results = report.read()
    if not arguments.page:
        run(results, set(arguments.names))
    report.write(results, MUTANTS)


def run(results: dict[str, Any], names: set[str]) -> None:
    """Try the named mutants, or all, that have no result of this commit."""
    commit = judge.commit()
    named = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    wanted = [mutant for mutant in named if not report.is_recorded(results, mutant, commit)]
    if not wanted:
        return

    def record(mutant: Mutant, killed_by: str | None) -> None:
        print(f"{mutant.name}: {killed_by or 'SURVIVED'}", flush=True)
        report.record(results, mutant, killed_by, commit)
        report.write(results, MUTANTS)

    with judge.copied_tree() as tree:
        if results["without_mutant"].get("commit") != commit:
            failing = judge.failing(tree, MUTANTS)
            results["without_mutant"] = {"commit": commit, "failing": failing}
            print(f"without any mutant: {', '.join(failing) or 'all tests pass'}", flush=True)
        left_out = results["without_mutant"]["failing"]
        unnoticed = []
        for mutant in wanted:
            if not mutant.applies(tree):
                print(f"{mutant.name}: NO LONGER APPLIES; its text is not in {mutant.file} once")
                continue
            killed_by = judge.killed_by(tree, mutant, left_out)
            if killed_by:
                record(mutant, killed_by)
            else:
                unnoticed.append(mutant)
        while unnoticed:
            print(f"the whole suite, for {', '.join(f.name for f in unnoticed)}", flush=True)
            found = judge.killed_by_suite(tree, unnoticed, left_out)
            for mutant in unnoticed:
                if mutant.name in found:
                    record(mutant, found[mutant.name])
            unnoticed = [mutant for mutant in unnoticed if mutant.name not in found]


if __name__ == "__main__":
    main()
