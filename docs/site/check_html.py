"""Read every page of the built site: links and anchors resolve, no fence is left, nothing foreign.

Every page of the reference describes something.

python docs/site/check_html.py build/site
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What a browser loads by itself; a link to another host is the reader's own click.
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
LOADING_LINKS = {"stylesheet", "icon", "preload", "preconnect", "dns-prefetch"}
FENCE = re.compile(r"```|^ {0,3}~~~|\{\.\w+[ }]", re.MULTILINE)


class Page(HTMLParser):
    """What a page links to and loads, its anchors, and its text outside code."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors = {"", "__top"}
        self.links: list[str] = []
        self.loads: list[str] = []
        self.prose: list[str] = []
        self._silent = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag refers to."""
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[key] for key in ("id", "name") if key in values}
        self._silent += tag in ("code", "pre", "script", "style")
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        place = values.get(LOADED.get(tag, ""), "")
        if place and (tag != "link" or LOADING_LINKS & set(values.get("rel", "").split())):
            self.loads.append(place)

    def handle_endtag(self, tag: str) -> None:
        """End a stretch of code."""
        self._silent -= tag in ("code", "pre", "script", "style")

    def handle_data(self, data: str) -> None:
        """Note text that is not code."""
        if self._silent <= 0:
            self.prose.append(data)


def target(site: Path, page: Path, link: str) -> Path | None:
    """Return the file that a link leads to, or None where it leads out of the site."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    path = unquote(parts.path)
    start = site if path.startswith("/") else page.parent
    file = (start / path.lstrip("/")).resolve() if path else page.resolve()
    return file / "index.html" if file.is_dir() else file


def errors(site: Path) -> list[str]:
    """Return what is wrong with the site, a line for each."""
    pages = {path.resolve(): Page(path.read_text("utf-8")) for path in site.rglob("*.html")}
    found = []
    for path, page in sorted(pages.items()):
        name = path.relative_to(site.resolve())
        if path.name == "404.html":  # Its links are made for the root of a host.
            continue
        for link in [*page.links, *page.loads]:
            file = target(site, path, link)
            anchor = unquote(urlsplit(link).fragment)
            if file is None:
                if link in page.loads and not link.startswith("data:"):
                    found.append(f"{name} loads {link}")
            elif not file.exists():
                found.append(f"{name} links to {link}, which is not there")
            elif file in pages and anchor not in pages[file].anchors:
                found.append(f"{name} links to {link}, and that page has no such anchor")
        if name.parts[0] == "reference" and not any("." in anchor for anchor in page.anchors):
            found.append(f"{name} describes nothing")
        fence = FENCE.search("\n".join(page.prose))
        if fence:
            found.append(f"{name} shows a raw fence: {fence[0]!r}")
    return found


def main(site: Path) -> None:
    if not (site / "index.html").is_file():
        sys.exit(f"there is no site in '{site}'; build it with `make site`")
    found = errors(site)
    print("\n".join(found), file=sys.stderr)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
