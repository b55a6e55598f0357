"""The site: its generated pages are those of the code, its figures are sound, its checks check."""

import doctest
import importlib
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from docs.site import check_html
from docs.site.families import families, weightless
from docs.site.figure import draw
from docs.site.graph import drawn_parts, trace
from docs.site.layout import arrange
from docs.site.roles import roles
from skinseg import data

ROOT = Path(__file__).parents[1]
SITE = ROOT / "docs" / "site"
FAMILIES = families()
BY_MODULE = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.module)
FENCE = re.compile(r"^ *(?:```|~~~)(.*)$", re.MULTILINE)
TREE = re.compile(r'^```\{\.text \.tree title="(.+?)"\}\n(.*?)^```', re.S | re.M)


@pytest.fixture(scope="module")
def graphs():
    """Return the graph of each family's first network."""
    traced = {}
    for family in FAMILIES:
        traced[family.module] = trace(weightless(family.networks[0]))
    return traced


@pytest.mark.parametrize("script", ["network_pages.py", "errors_page.py"])
def test_generated_pages_are_up_to_date(script):
    done = subprocess.run(
        [sys.executable, str(SITE / script), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["graph", "labels", "roles", "routes"])
def test_examples(name):
    assert doctest.testmod(importlib.import_module(f"docs.site.{name}")).failed == 0


@BY_MODULE
def test_a_family_says_where_it_was_published(family):
    paper = family.kind.paper
    assert paper is not None, f"set `paper` on {family.kind.__name__}, as EGEUNet does"
    assert paper.title and paper.url and 1990 < paper.year < 2100
    entry = paper.bibtex()
    assert entry.count("{") == entry.count("}")
    assert paper.key in entry and paper.title in entry


def test_two_families_with_one_key_mean_one_paper():
    papers = {}
    for family in FAMILIES:
        papers.setdefault(family.kind.paper.key, set()).add(family.kind.paper)
    assert all(len(same) == 1 for same in papers.values())


@BY_MODULE
def test_a_figure_shows_every_part_once_and_apart(family, graphs):
    graph = graphs[family.module]
    shown = {name.partition("#")[0] for name, node in graph.nodes.items() if not node.join}
    # MK-UNet's decoder stages share one gate, which is a part of each of them.
    expected = {"image", *drawn_parts(weightless(family.networks[0]))} - {"spatial_gate"}
    assert shown == expected
    layout = arrange(graph)
    solid = [box for name, box in layout.boxes.items() if layout.roles[name] != "join"]
    for one, other in combinations(solid, 2):
        beside = one.right <= other.left or other.right <= one.left
        assert beside or one.bottom <= other.top or other.bottom <= one.top, (one, other)
    for box in layout.boxes.values():
        assert box.left >= 0 and box.right <= layout.width
        assert box.top >= 0 and box.bottom <= layout.height


@BY_MODULE
def test_a_figure_is_svg_and_the_same_every_time(family, graphs):
    text = draw(trace(weightless(family.networks[0])), family.title)
    assert text == draw(graphs[family.module], family.title)
    root = ElementTree.fromstring(text)
    assert root.tag.endswith("svg")
    assert "prefers-color-scheme: dark" in text


@BY_MODULE
def test_a_figure_has_the_encoders_maps(family, graphs):
    graph = graphs[family.module]
    for entry in weightless(family.networks[0]).feature_info.get_dicts():
        shape = graph.nodes[f"encoder.{entry['module']}"].shapes[0]
        assert shape[0] == entry["num_chs"]
        assert 256 // shape[1] == entry["reduction"]


def test_the_graph_of_egeunet_is_that_of_its_paper(graphs):
    graph = graphs["egeunet"]
    assert graph.sources("gabs.1") == ["gabs.0", "encoder.stages.3", "aux_heads.1"]
    assert graph.sources("decoder.1") == ["join.add"]
    assert graph.sources("join.add") == ["decoder.0", "gabs.0"]
    assert graph.auxiliary == {f"aux_heads.{index}" for index in range(5)}
    kinds = roles(graph)
    assert kinds["gabs.0"] == "bridge"
    assert kinds["decoder.4"] == "decoder"
    assert kinds["head"] == "head"
    assert graph.nodes["encoder.stages.4"].text == "GHPA"


def test_pages_have_no_fence_that_a_renderer_does_not_know():
    for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]:
        for mark in FENCE.findall(page.read_text(encoding="utf-8")):
            assert re.fullmatch(r"|\w+|\{(\.\w+ ?)+(title=\".+\")?\}", mark), (page, mark)


def layouts():
    """Return the expressions of the data guide that open a folder, with the folder's tree."""
    return TREE.findall((ROOT / "docs" / "guides" / "data.md").read_text(encoding="utf-8"))


def plant(tree):
    """Make the files of a tree as the guide draws it."""
    folders = []
    for line in tree.splitlines():
        name = re.sub(r"^[│├└─ ]+", "", line)
        folders[(len(line) - len(name)) // 4 :] = [name.rstrip("/")]
        path = Path(*folders)
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
            continue
        picture = np.full((32, 32), 200, np.uint8)
        data.write_png(path.with_suffix(".png"), picture)
        path.with_suffix(".png").rename(path)


@pytest.mark.parametrize(("expression", "tree"), layouts())
def test_the_layouts_that_the_guide_draws_are_found(expression, tree, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plant(tree)
    dataset = eval(expression, {name: getattr(data, name) for name in data.__all__})
    assert len(dataset) >= 1
    assert all(dataset.mask_path(index) for index in range(len(dataset)))


def test_the_check_of_the_html_finds_what_is_wrong(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "index.html").write_text('<h1 id="here">Other</h1>')
    good = '<a href="other/#here">a</a> <code>```</code> <a href="https://example.org">b</a>'
    (tmp_path / "index.html").write_text(good)
    assert check_html.errors(tmp_path) == []
    (tmp_path / "index.html").write_text(
        good
        + '<a href="missing/">a</a><a href="other/#there">b</a>'
        + '<script src="https://example.org/x.js"></script>```python notest'
    )
    found = "\n".join(check_html.errors(tmp_path))
    for part in ("missing/, which is not there", "no such anchor", "x.js", "raw fence"):
        assert part in found
    assert found.count("\n") == 3
    (tmp_path / "index.html").write_text(good)
    (tmp_path / "other").rename(tmp_path / "reference")
    (tmp_path / "index.html").write_text('<a href="reference/#here">a</a>')
    assert check_html.errors(tmp_path) == ["reference/index.html describes nothing"]
