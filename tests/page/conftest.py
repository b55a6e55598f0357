"""The built page in headless Chromium; without either, its tests are skipped."""

import json
import shutil
from pathlib import Path

import pytest
from page_window import Window, serving, started
from PIL import Image

from skinseg.data import synthetic_lesion

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "build" / "demo"


@pytest.fixture(scope="session")
def built():
    """The folder of the built page."""
    if not (PAGE / "page.json").is_file():
        pytest.skip("the page is not built; `make demo-page` builds it")
    for source in (ROOT / "docs" / "demo").iterdir():
        built = PAGE / source.name
        if not built.is_file() or built.read_bytes() != source.read_bytes():
            pytest.skip(
                f"the built page is not that of docs/demo ({source.name}); `make demo-page`"
            )
    return PAGE


@pytest.fixture(scope="session")
def networks(built):
    """Names of the networks that the page offers; it begins with the first."""
    return [
        network["name"] for network in json.loads((built / "page.json").read_text())["networks"]
    ]


@pytest.fixture(scope="session")
def chromium():
    """The paths of Chromium and its driver."""
    pytest.importorskip("selenium", reason="looking at the page needs selenium")
    paths = shutil.which("chromium"), shutil.which("chromedriver")
    if None in paths:
        pytest.skip("Chromium or its driver is missing; on Debian: apt install chromium-driver")
    return paths


@pytest.fixture(scope="module")
def server(built):
    with serving(built) as server:
        yield server


@pytest.fixture(scope="module")
def window(chromium, server, tmp_path_factory):
    """A window with the page loaded; tests of a module share it."""
    downloads = tmp_path_factory.mktemp("downloads")
    with started(chromium) as driver:
        window = Window(driver, f"http://localhost:{server.server_port}/", downloads)
        window.open()
        yield window


@pytest.fixture(scope="session")
def lesions(tmp_path_factory):
    """Image files by name: of several kinds and sizes."""
    folder = tmp_path_factory.mktemp("lesions")
    upright, _ = synthetic_lesion(3, size=600)
    wide, _ = synthetic_lesion(9, size=1500)
    images = {
        "square.png": Image.fromarray(upright),
        "wide.jpg": Image.fromarray(wide[200:1300]),
        "small.png": Image.fromarray(upright).resize((90, 70)),
        "turned.jpg": Image.fromarray(upright[:, :450]),
        "see_through.png": Image.fromarray(upright).convert("RGBA"),
    }
    images["see_through.png"].putalpha(Image.linear_gradient("L").resize((600, 600)))
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, image in images.items():
        options = {"exif": exif} if name == "turned.jpg" else {}
        image.save(folder / name, **options)
    return {name: folder / name for name in images}
