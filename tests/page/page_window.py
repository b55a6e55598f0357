"""The page in headless Chromium, and a server that remembers what it was asked for."""

import base64
import threading
from contextlib import contextmanager

from skinseg.demo import demo_server

DROP = """
const [encoded, name, type] = arguments;
const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
const data = new DataTransfer();
data.items.add(new File([bytes], name, { type }));
document.body.dataset.state = "busy";
const event = arguments[3] == "paste"
  ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true })
  : new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
document.body.dispatchEvent(event);
"""


class Window:
    """The page in a browser's window."""

    def __init__(self, driver, address, downloads):
        self.driver, self.address, self.downloads = driver, address, downloads
        driver.execute_cdp_cmd("Network.enable", {})
        behavior = {"behavior": "allow", "downloadPath": str(downloads)}
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", behavior)

    def open(self):
        """Open the page, and wait until all that it needs is there."""
        self.driver.get(self.address)
        self.wait("document.body.dataset.loaded == 'yes'")

    def run(self, code, *arguments):
        return self.driver.execute_script(code, *arguments)

    def wait(self, condition, seconds=20):
        from selenium.webdriver.support.ui import WebDriverWait

        waiting = WebDriverWait(self.driver, seconds, poll_frequency=0.02)
        waiting.until(lambda _: self.run(f"return !!({condition})"), condition)

    def wait_for_outline(self, seconds=20):
        self.wait(
            "document.body.dataset.state == 'outlined' || !document.getElementById('error').hidden",
            seconds,
        )
        assert not self.shown("error"), self.text("error-text")

    def give(self, path, way="drop", media_type=None):
        """Drop a file on the page, or paste it."""
        kind = media_type or {".png": "image/png", ".jpg": "image/jpeg"}.get(path.suffix, "")
        self.run(DROP, base64.b64encode(path.read_bytes()).decode(), path.name, kind, way)

    def element(self, name):
        from selenium.webdriver.common.by import By

        return self.driver.find_element(By.ID, name)

    def click(self, name):
        self.run("document.getElementById(arguments[0]).click()", name)

    def shown(self, name):
        return self.run("return !document.getElementById(arguments[0]).hidden", name)

    def text(self, name):
        return self.run("return document.getElementById(arguments[0]).textContent", name)

    def choose(self, name, value):
        """Choose an entry of a list, or fill in a field."""
        self.run(
            "const field = document.getElementById(arguments[0]); field.value = arguments[1];"
            "document.body.dataset.state = 'busy';"
            "for (const kind of ['input', 'change']) field.dispatchEvent(new Event(kind))",
            name,
            value,
        )

    def download(self, name):
        """Click what saves a file, and return the file's path."""
        for old in self.downloads.iterdir():
            old.unlink()
        self.click(name)
        for _ in range(500):
            # Chromium's unfinished downloads are hidden files, or end in .crdownload.
            new = [p for p in self.downloads.glob("[!.]*") if p.suffix != ".crdownload"]
            if new and new[0].stat().st_size:
                return new[0]
            threading.Event().wait(0.02)
        raise AssertionError(f"{name} saved nothing")


@contextmanager
def started(chromium):
    """Start headless Chromium with a camera that films a test picture."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium[0]
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(chromium[1]))
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    try:
        yield driver
    finally:
        driver.quit()


@contextmanager
def serving(folder, port=0):
    """Serve the page; gives the server, which remembers in `asked` what it was asked for."""
    server = demo_server(folder, port)
    server.asked = []
    handler = server.RequestHandlerClass.func
    remember = lambda self, format, *args: self.server.asked.append(self.path)  # noqa: E731
    handler.log_message = remember
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
