"""The installation without torch, as the guide has it."""

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

import skinseg

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "docs" / "guides" / "export.md"

# What a machine that only runs networks does not have.
HIDDEN = ("torch", "scipy", "safetensors", "einops", "huggingface_hub", "filelock")


def run(*command, cwd=None):
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def lesion(tmp_path_factory):
    """A folder with an exported network and a photograph."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxslim")
    folder = tmp_path_factory.mktemp("lesion")
    skinseg.export("basic_unet", folder / "basic_unet.onnx", size=64)
    (folder / "photos").mkdir()
    image, _ = skinseg.data.synthetic_lesion(3, size=200)
    skinseg.data.write_png(folder / "photos" / "a.png", image)
    return folder


def test_prediction_from_a_file_imports_no_torch(lesion):
    hidden = "; ".join(f"sys.modules[{name!r}] = None" for name in HIDDEN)
    arguments = ["predict", "photos", "--model", "basic_unet.onnx", "--output", "hidden"]
    code = (
        f"import sys; {hidden}\n"
        "import skinseg, skinseg.__main__\n"
        "prediction = skinseg.Predictor('basic_unet.onnx')('photos/a.png')\n"
        "print(prediction.mask.sum())\n"
        f"sys.argv = ['skinseg', *{arguments!r}]\n"
        "skinseg.__main__.main()\n"
    )
    printed = run(sys.executable, "-c", code, cwd=lesion)
    mask = skinseg.data.read_mask(lesion / "hidden" / "a_mask.png")
    assert printed.splitlines()[0] == str(mask.sum())
    expected = skinseg.Predictor("basic_unet", input_size=(64, 64))(lesion / "photos" / "a.png")
    assert (mask == expected.mask).all()


def test_a_file_is_served_without_torch_until_the_process_is_told_to_end(lesion):
    arguments = ["serve", "--model", str(lesion / "basic_unet.onnx"), "--port", "0"]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({HIDDEN}))\n"
        f"sys.argv = ['skinseg', *{arguments}]\n"
        "import skinseg.__main__; skinseg.__main__.main()\n"
    )
    image = (lesion / "photos" / "a.png").read_bytes()
    headers = {"Accept": "image/png", "Content-Type": "image/png"}
    command = [sys.executable, "-u", "-c", code]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        first = process.stdout.readline()
        assert "basic_unet.isic2017 answers at http://127.0.0.1:" in first, process.stderr.read()
        [address] = re.findall(r"http:\S+", first)
        with urlopen(Request(address, image, headers), timeout=20) as answer:
            mask = skinseg.data.read_mask(answer.read())
        with pytest.raises(HTTPError, match="422"):
            urlopen(Request(address, image[:50], headers), timeout=20)
        process.send_signal(signal.SIGTERM)
        rest, complaints = process.communicate(timeout=20)
    finally:
        process.kill()
    assert (mask == skinseg.Predictor(lesion / "basic_unet.onnx")(image).mask).all()
    assert (rest, complaints, process.returncode) == ("Stopped.\n", "", 0)


@pytest.mark.slow
def test_the_runtime_distribution_predicts_in_an_empty_environment(lesion, tmp_path):
    environment = tmp_path / "venv"
    run(sys.executable, "-m", "venv", environment)
    source = tmp_path / "skinseg"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "skinseg", source / "skinseg", ignore=ignore)
    shutil.copytree(ROOT / "packaging", source / "packaging")
    [install] = re.findall(r"^\$ pip install (\./packaging/runtime)$", GUIDE.read_text(), re.M)
    run(environment / "bin" / "pip", "install", "--quiet", install, cwd=source)
    names = run(environment / "bin" / "pip", "list", "--format", "freeze").lower()
    assert "skinseg-zoo-runtime==" in names
    assert not re.search(r"^(torch|scipy|safetensors)==", names, re.M)
    predict = ("predict", "photos", "--model", "basic_unet.onnx", "--output", "masks", "--quiet")
    run(environment / "bin" / "skinseg", *predict, cwd=lesion)
    assert (lesion / "masks" / "a_mask.png").is_file()
    code = "import skinseg; print(skinseg.Predictor('basic_unet.onnx')('photos/a.png').mask.sum())"
    printed = run(environment / "bin" / "python", "-c", code, cwd=lesion)
    assert int(printed) == skinseg.data.read_mask(lesion / "masks" / "a_mask.png").sum()
    failed = subprocess.run(
        [environment / "bin" / "skinseg", "predict", "photos", "--output", "masks"],
        cwd=lesion,
        capture_output=True,
        text=True,
    )
    assert failed.returncode == 1
    assert "torch, which is not installed" in " ".join(failed.stderr.split())
