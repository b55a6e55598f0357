"""The server of the page, and the page's files as far as they can be checked without a browser."""

import re
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from docs import demo_page
from skinseg.cli import app
from skinseg.demo import HEADERS_FILE, demo_server, read_headers
from skinseg.models import CATALOG
from skinseg.pretrained import DEFAULT_TAGS

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "docs" / "demo"


def test_the_page_offers_every_small_network_with_weights():
    # The ensemble, which the catalog does not have, is three networks that the page has.
    single = DEFAULT_TAGS.keys() & CATALOG.keys()
    assert DEFAULT_TAGS.keys() - single == {"ensemble"}
    small = {name for name in single if CATALOG[name]["parameters"] < 400_000}
    assert demo_page.TITLES.keys() == small


@pytest.fixture
def page(tmp_path):
    """A built page, as far as its server looks at it."""
    for name in ("index.html", HEADERS_FILE, "main.js"):
        (tmp_path / name).write_bytes((SOURCE / name).read_bytes())
    (tmp_path / "page.json").write_text("{}")
    (tmp_path / "network.onnx").write_bytes(b"weights")
    (tmp_path / "runtime.wasm").write_bytes(b"code")
    return tmp_path


@pytest.fixture
def address(page):
    with demo_server(page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_every_answer_has_the_headers(address):
    expected = read_headers((SOURCE / HEADERS_FILE).read_text())
    assert expected["Cross-Origin-Opener-Policy"] == "same-origin"
    assert expected["Cross-Origin-Embedder-Policy"] == "require-corp"
    for path in ("/", "/main.js"):
        with urllib.request.urlopen(address + path) as answer:
            for name, value in expected.items():
                assert answer.headers[name] == value
    with pytest.raises(urllib.error.HTTPError) as missing:
        urllib.request.urlopen(address + "/missing")
    assert missing.value.headers["Content-Security-Policy"] == expected["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/main.js", "text/javascript"),
        ("/runtime.wasm", "application/wasm"),
        ("/network.onnx", "application/octet-stream"),
    ],
)
def test_files_have_the_types_that_browsers_want(address, path, kind):
    with urllib.request.urlopen(address + path) as answer:
        assert answer.headers["Content-Type"] == kind


def test_it_answers_to_this_machine_alone(page):
    with demo_server(page) as server:
        assert server.server_address[0] == "127.0.0.1"


def test_a_page_that_is_not_built_is_an_error(tmp_path):
    result = CliRunner().invoke(app, ["demo", str(tmp_path), "--no-open"])
    assert result.exit_code == 1
    assert "make demo-page" in result.output


def test_a_taken_port_is_an_error(page):
    with demo_server(page) as server:
        port = str(server.server_port)
        result = CliRunner().invoke(app, ["demo", str(page), "--port", port, "--no-open"])
    assert result.exit_code == 1
    assert "--port" in result.output


def test_the_page_holds_itself_to_the_servers_policy():
    text = (SOURCE / "index.html").read_text(encoding="utf-8")
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)"', text)
    served = read_headers((SOURCE / HEADERS_FILE).read_text())["Content-Security-Policy"]
    # The one rule that a page cannot give itself.
    assert f"{policy}; frame-ancestors 'none'" == served
    assert "http" not in policy and "*" not in policy and "'unsafe-inline'" not in policy


def test_the_page_names_no_file_that_is_not_there():
    built = {"runtime/ort.wasm.bundle.min.mjs", "files.js"}
    for path in SOURCE.iterdir():
        if path.suffix not in (".html", ".js", ".webmanifest"):
            continue
        text = path.read_text(encoding="utf-8")
        named = re.findall(
            r'from "\./(.+?)"|importScripts\("(.+?)"\)|(?:src|href)="([^"#:]+?)"', text
        )
        for name in filter(None, (part for parts in named for part in parts)):
            assert name in {*built, "./"} or (SOURCE / name).is_file(), (path.name, name)
