"""What a result must say of its origin: code, software and machine."""

import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

HERE = Path(__file__).parent


def provenance() -> dict[str, str | int | list[str]]:
    """Return the commit and the files changed since, the versions that matter, the processor."""
    return {
        "commit": commit_of(HERE),
        "uncommitted": [line[3:] for line in _git(HERE, "status", "--porcelain").splitlines()],
        "torch": torch.__version__,
        "python": platform.python_version(),
        "hardware": torch.cuda.get_device_name() if torch.cuda.is_available() else _processor(),
        "threads": torch.get_num_threads(),
    }


def page_fields(origin: Mapping[str, Any]) -> dict[str, str]:
    """Return what a page says of its origin: hardware, version of torch, commit."""
    return {
        "hardware": origin["hardware"],
        "torch": origin["torch"],
        "commit": origin["commit"][:8],
    }


def commit_of(folder: Path) -> str:
    """Return the commit that a checkout is at."""
    return _git(folder, "rev-parse", "HEAD").strip()


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.processor()
