"""Build the page that segments in the browser: docs/demo, the networks, the runtime, samples.

    python docs/demo_page.py build/demo

The folder holds all that the page needs, and can be put on any web server; `skinseg demo` serves
it on this machine. Needs what `skinseg export` needs, and npm for ONNX Runtime Web.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

import skinseg
from skinseg.data import synthetic_lesion
from skinseg.files import write_atomically, write_json, write_text
from skinseg.runtimes import read_metadata

SOURCE = Path(__file__).parent / "demo"
# What the page calls the networks that it offers, the first one first: those with weights and fewer
# than 400,000 parameters, since a visitor gets them all, which are to stay below four megabytes.
TITLES = {
    "egeunet": "EGE-UNet",
    "basic_unet": "Basic U-Net",
    "lbunet": "LB-UNet",
    "lmsaunet": "LMSAUNet",
    "malunet": "MALUNet",
    "mkunet_s": "MK-UNet-S",
    "mkunet_t": "MK-UNet-T",
    "mucmnet": "MUCM-Net",
    "ucmnet": "UCM-Net",
    "ultralight_vm_unet": "UltraLight VM-UNet",
    "unext_s": "UNeXt-S",
}
SAMPLES = (9, 2, 6, 11)  # Seeds, as on the front page of the documentation.
SAMPLE_SIDE = 640

RUNTIME = "onnxruntime-web"
RUNTIME_VERSION = "1.30.0"
# Of its many builds the one that computes on the processor: these networks take milliseconds
# there, and the build for WebGPU is twice as large.
RUNTIME_FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")

NOT_CACHED = {"_headers", "sw.js", "files.js"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(SOURCE, folder, dirs_exist_ok=True)
    page = {
        "version": skinseg.__version__,
        "runtime": RUNTIME_VERSION,
        "networks": [network(folder, name) for name in TITLES],
        "samples": [sample(folder, seed) for seed in SAMPLES],
    }
    copy_runtime(folder / "runtime")
    write_json(folder / "page.json", page)
    write_list_of_files(folder)
    files = cached_files(folder)
    runtime = sum((folder / "runtime" / name).stat().st_size for name in RUNTIME_FILES)
    rest = sum(path.stat().st_size for path in files) - runtime
    print(f"{folder}: {rest / 1e6:.2f} MB, and {runtime / 1e6:.2f} MB of ONNX Runtime Web")


def network(folder: Path, name: str) -> dict[str, Any]:
    """Export a network, and return what the page must know of it."""
    path = folder / "networks" / f"{name}.onnx"
    path.parent.mkdir(exist_ok=True)
    if not _is_current(path, name):
        skinseg.export(name, path, half=True)  # The masks differ by single pixels.
    metadata = read_metadata(path)
    record = metadata.record
    return {
        "name": record.name,
        "title": TITLES[name],
        "file": f"networks/{path.name}",
        "size": metadata.size,
        "normalization": record.normalization,
        "threshold": record.threshold,
        "parameters": record.num_params,
        "iou": record.metrics[0]["pooled_iou"],
    }


def _is_current(path: Path, name: str) -> bool:
    """Whether a file is of these weights and this version, and need not be exported again."""
    if not path.exists():
        return False
    found, record = read_metadata(path), skinseg.get_pretrained_cfg(name)
    assert record is not None
    return (found.weights_sha256, found.version) == (record.sha256, skinseg.__version__)


def sample(folder: Path, seed: int) -> str:
    """Draw a lesion, and return the name of its file."""
    path = folder / "samples" / f"drawn_{seed}.jpg"
    path.parent.mkdir(exist_ok=True)
    image = Image.fromarray(synthetic_lesion(seed, SAMPLE_SIDE)[0])
    write_atomically(path, lambda file: image.save(file, format="JPEG", quality=85))
    return f"samples/{path.name}"


def copy_runtime(folder: Path) -> None:
    """Fetch ONNX Runtime Web with npm, unless this version is there already."""
    stamp = folder / "version.txt"
    if stamp.exists() and stamp.read_text() == RUNTIME_VERSION:
        return
    npm = shutil.which("npm")
    if npm is None:
        sys.exit(f"npm is missing, which fetches {RUNTIME}; on Debian: apt install npm")
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        command = [npm, "pack", "--silent", f"{RUNTIME}@{RUNTIME_VERSION}"]
        subprocess.run(command, cwd=temporary, check=True)
        [archive] = Path(temporary).glob("*.tgz")
        with tarfile.open(archive) as tar:
            for name in RUNTIME_FILES:
                content = tar.extractfile(f"package/dist/{name}")
                assert content is not None, f"{name} is in every version"
                (folder / name).write_bytes(content.read())
    stamp.write_text(RUNTIME_VERSION)


def cached_files(folder: Path) -> list[Path]:
    """Return the files that the page keeps for use without a network."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and path.name not in NOT_CACHED and path.name != "version.txt"
    )


def write_list_of_files(folder: Path) -> None:
    """Tell the service worker what to keep; its version changes with any of the files."""
    files = cached_files(folder)
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    names = ["./", *(path.relative_to(folder).as_posix() for path in files)]
    text = f'const VERSION = "{digest.hexdigest()[:16]}";\nconst FILES = {json.dumps(names)};\n'
    write_text(folder / "files.js", text)


if __name__ == "__main__":
    main()
