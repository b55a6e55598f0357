"""Look at every page of the built site in headless Chromium, as wide as a phone and a laptop.

    python docs/site/check_browser.py build/site
    python docs/site/check_browser.py build/site --screenshots build/screenshots --pages index.html

A page fails that is wider than the window, has a table or a figure that is cut off, loads anything
from another host, or logs an error. Needs Chromium with its driver, and selenium.
"""

import argparse
import functools
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

WIDTHS = {390: 844, 1280: 900}  # and the heights of such windows, in pixels
SCHEMES = ("light", "dark")
# What sticks out of the window without being in a box that scrolls or hides it on purpose.
MEASURE = """
const width = document.documentElement.clientWidth, found = [];
if (document.documentElement.scrollWidth > width)
  found.push(`the page is ${document.documentElement.scrollWidth} pixels wide`);
const scrolls = element => {
  for (let box = element.parentElement; box; box = box.parentElement) {
    const flow = getComputedStyle(box).overflowX;
    if (flow == "auto" || flow == "scroll") return true;
  }
  return false;
};
for (const element of document.querySelectorAll(
    "article table, article img, article pre, article svg, article iframe")) {
  const place = element.getBoundingClientRect();
  if (place.width && place.right > width + 1 && !scrolls(element))
    found.push(`<${element.localName}> is cut off at ${Math.round(place.right)} pixels`);
}
for (const image of document.images)
  if (image.complete && !image.naturalWidth && image.loading != "lazy")
    found.push(`the image ${image.src} is broken`);
for (const entry of performance.getEntriesByType("resource"))
  if (new URL(entry.name).host != location.host) found.push(`it loads ${entry.name}`);
return found;
"""


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine; gives its address."""
    handler = functools.partial(_QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    """Start headless Chromium."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        sys.exit("Chromium or its driver is missing; on Debian: apt install chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "SEVERE"})
    window = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield window
    finally:
        window.quit()


def resize(window: webdriver.Chrome, width: int, height: int) -> None:
    """Give the window a size, also one that is narrower than Chromium's own minimum."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def page_errors(window: webdriver.Chrome, address: str, width: int) -> list[str]:
    """Open a page, and return what is wrong with it."""
    resize(window, width, WIDTHS[width])
    window.get(address)
    found: list[str] = window.execute_script(MEASURE)
    entries = window.get_log("browser")  # type: ignore[no-untyped-call]
    logged = [entry["message"] for entry in entries]
    # Browsers ask for this one by themselves, where a page names no icon.
    return found + [message for message in logged if "/favicon.ico" not in message]


def photograph(window: webdriver.Chrome, address: str, stem: Path) -> None:
    """Write a picture of a whole page for each width and color scheme."""
    for width, height in WIDTHS.items():
        for scheme in SCHEMES:
            media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
            window.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
            resize(window, width, height)
            window.get(address)
            whole = window.execute_script("return document.documentElement.scrollHeight")
            resize(window, width, max(height, min(int(whole), 6000)))
            window.save_screenshot(f"{stem}-{width}-{scheme}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("site", type=Path)
    parser.add_argument("--screenshots", type=Path, help="folder to write pictures into")
    parser.add_argument("--pages", nargs="+", help="these pages alone, such as index.html")
    arguments = parser.parse_args()
    pages = arguments.pages or [
        path.relative_to(arguments.site).as_posix() for path in arguments.site.rglob("*.html")
    ]
    failed = 0
    with served(arguments.site) as root, browser() as window:
        for page in sorted(pages):
            for width in WIDTHS:
                for error in page_errors(window, f"{root}/{page}", width):
                    print(f"{page} at {width} pixels: {error}")
                    failed += 1
            if arguments.screenshots:
                arguments.screenshots.mkdir(parents=True, exist_ok=True)
                name = page.removesuffix("/index.html").removesuffix(".html").replace("/", "_")
                photograph(window, f"{root}/{page}", arguments.screenshots / name)
    if failed:
        sys.exit(f"{failed} errors on {len(pages)} pages")
    print(f"{len(pages)} pages fit")


if __name__ == "__main__":
    main()
