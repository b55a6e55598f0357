"""The examples that are no Python files: the notebook, and the macro for ImageJ."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

import skinseg
from skinseg.data import synthetic_lesion, write_png

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
IMAGEJ = Path("/usr/share/java/ij.jar")  # Debian's
NOTEBOOK = EXAMPLES / "first_look.ipynb"


def test_the_notebook_is_kept_without_its_results():
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    assert len(cells) > 10
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom(tmp_path):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    folder = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=300, resources=folder).execute()
    last = notebook.cells[-1].outputs
    assert "image/png" in last[-1].data
    assert all(output.output_type != "error" for output in last)


@pytest.mark.slow
def test_imagej_selects_what_the_network_finds(tmp_path):
    if not (IMAGEJ.is_file() and shutil.which("java") and shutil.which("xvfb-run")):
        pytest.skip("needs ImageJ, Java and Xvfb (Debian: apt install imagej xvfb)")
    image, _ = synthetic_lesion(9, 200)
    write_png(tmp_path / "lesion.png", image)
    network = skinseg.export("malunet", tmp_path / "malunet.onnx").path
    results = tmp_path / "results"
    results.mkdir()
    command = ["xvfb-run", "-a", "java", "-cp", str(IMAGEJ), "ij.ImageJ", "-batch"]
    command += [str(EXAMPLES / "outline_lesion.ijm"), f"{tmp_path}/lesion.png,{network},{results}"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(command, check=True, timeout=200, env={**os.environ, "PATH": path})
    [measured] = csv.DictReader((results / "lesion_measurements.csv").open())
    predicted = skinseg.Predictor(network)(image)
    assert float(measured["Area"]) == predicted.mask.sum()
    # Another network's results may not join these: nothing is measured, least of all the old mask.
    (results / "lesion_measurements.csv").unlink()
    other = skinseg.export("egeunet", tmp_path / "egeunet.onnx").path
    command[-1] = f"{tmp_path}/lesion.png,{other},{results}"
    subprocess.run(command, timeout=200, env={**os.environ, "PATH": path})
    assert not (results / "lesion_measurements.csv").exists()
