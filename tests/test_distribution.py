"""What is published: the source distribution, the wheel, and what a package index shows of them."""

import ast
import email
import os
import re
import site
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

tomllib = pytest.importorskip("tomllib")  # Python 3.11

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
README = PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
LINK = re.compile(r"\]\(([^)]+)\)")
CODE = re.compile(r"^```.*?^```", re.S | re.M)


def run(*command, cwd=None):
    # What is tried is what was installed, and not the clone.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def shown_readme():
    text = (ROOT / README["fragments"][0]["path"]).read_text(encoding="utf-8")
    for rule in README["substitutions"]:
        text = re.sub(rule["pattern"], rule["replacement"], text)
    return text


def test_links_of_the_shown_readme_are_absolute_and_name_files():
    source = PROJECT["project"]["urls"]["Source"]
    text = shown_readme()
    links = LINK.findall(text)
    ours = [link for link in links if link.startswith(source)]
    assert all(link.startswith("https://") for link in links)
    for link in ours:
        kind, branch, path = link.removeprefix(f"{source}/").split("/", 2)
        assert branch == "main"
        assert kind == ("raw" if path.endswith((".png", ".jpg")) else "blob")
        assert (ROOT / path.partition("#")[0]).is_file(), link
    assert len(ours) > 15
    original = (ROOT / "README.md").read_text(encoding="utf-8")
    assert CODE.findall(text) == CODE.findall(original)


def test_both_distributions_name_one_place():
    text = (ROOT / "packaging" / "runtime" / "pyproject.toml").read_text(encoding="utf-8")
    runtime = tomllib.loads(text)["project"]
    urls = PROJECT["project"]["urls"]
    assert all(url.startswith(urls["Source"]) for url in urls.values())
    assert runtime["urls"].items() <= urls.items()
    assert runtime["authors"] == PROJECT["project"]["authors"]


def imported_at_once(path):
    """Top-level packages that a module needs when it is imported."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module).partition(".")[0]


def names_of(dependencies):
    return {re.split(r"[<>=\[ ]", dependency)[0].lower() for dependency in dependencies}


def test_what_is_imported_is_a_dependency():
    always = names_of(PROJECT["project"]["dependencies"])
    # A subpackage that says what to install where it is missing.
    serve = names_of(PROJECT["project"]["optional-dependencies"]["serve"])
    distributions = {"PIL": "pillow", "python_multipart": "python-multipart"}
    for path in sorted((ROOT / "skinseg").rglob("*.py")):
        named = always | serve if path.parent.name == "serving" else always
        for name in set(imported_at_once(path)) - sys.stdlib_module_names - {"skinseg"}:
            assert distributions.get(name, name).lower() in named, f"{path}: {name}"


def test_both_distributions_serve_with_the_same_packages():
    text = (ROOT / "packaging" / "runtime" / "pyproject.toml").read_text(encoding="utf-8")
    runtime = tomllib.loads(text)["project"]["optional-dependencies"]
    extras = PROJECT["project"]["optional-dependencies"]
    assert runtime["serve"] == extras["serve"]
    assert set(extras["serve"]) <= set(extras["dev"])


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """A folder with the source distribution and the wheel."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "venv", folder / "venv")
    python = folder / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", *PROJECT["build-system"]["requires"])
    run(python, "-m", "hatchling", "build", "-d", folder, cwd=ROOT)
    return folder


@pytest.mark.slow
def test_source_distribution_holds_no_recorded_weights(dist):
    [path] = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    weights = [name for name in names if name.endswith(".safetensors")]
    assert {Path(name).parts[0] for name in weights} == {"skinseg", "tests"}
    assert {"README.md", "LICENSE", "pyproject.toml", "skinseg/py.typed"} <= set(names)
    assert path.stat().st_size < 13e6


@pytest.mark.slow
def test_wheel_works_where_nothing_else_of_the_repository_is(dist, tmp_path):
    [wheel] = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith("METADATA")]
        metadata = email.message_from_string(archive.read(name).decode())
    assert metadata["Author"] == PROJECT["project"]["authors"][0]["name"]
    assert len(metadata.get_all("Project-URL")) == len(PROJECT["project"]["urls"])
    assert metadata.get_payload().strip() == shown_readme().strip()
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    binaries = tmp_path / "venv" / "bin"
    run(binaries / "pip", "install", "--quiet", "--no-deps", wheel)
    # The dependencies of here; that they are all named is tested above. A path in a .pth file
    # brings packages, but none that is installed as an editable clone.
    [packages] = (tmp_path / "venv").glob("lib/*/site-packages")
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    run(binaries / "skinseg", "synth", "pictures", "--count", "2", "--size", "64", cwd=tmp_path)
    command = ("predict", "pictures/images", "--output", "masks", "--quiet")
    run(binaries / "skinseg", *command, cwd=tmp_path)
    assert (tmp_path / "masks" / "predictions.csv").is_file()
    place = run(binaries / "python", "-c", "import skinseg; print(skinseg.__file__)", cwd=tmp_path)
    assert place.strip().startswith(str(packages))
