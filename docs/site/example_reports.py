"""Run the commands of docs/quickstart.md, and keep the reports that they write for the site.

    python docs/site/example_reports.py build/examples

All pictures are synthetic, so that the reports may be shown to anybody.
"""

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PAGE = Path(__file__).parents[1] / "quickstart.md"
COMMAND = re.compile(r"^\$ (skinseg .+)$", re.MULTILINE)
REPORTS = {"training.html": "runs/first/report.html", "evaluation.html": "scores/gallery.html"}


def main(output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for command in COMMAND.findall(PAGE.read_text(encoding="utf-8")):
            print(f"$ {command}", flush=True)
            words = [sys.executable, "-m", *shlex.split(command)]
            done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
            if done.returncode:
                sys.exit(done.stderr)
        for name, source in REPORTS.items():
            shutil.copyfile(Path(folder, source), output / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
