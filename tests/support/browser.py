"""A real headless Chromium, driven over chromedriver's own protocol (W3C WebDriver and Chrome's additions)."""

import base64
import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.processes import wait_until
from support.system_packages import find_program

# Nothing that would reach beyond this machine, and no sandbox, which root may not have.
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
)


class Page:
    """A page that is open in the browser."""

    def __init__(self, session: str) -> None:
        self._session = session

    def look(self, *, width: int, dark: bool) -> None:
        """Take a width in pixels and a colour scheme."""
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self._chrome("Emulation.setDeviceMetricsOverride", screen)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._chrome("Emulation.setEmulatedMedia", {"features": [scheme]})

    def open(self, path: Path) -> None:
        """Open a file."""
        _call("POST", f"{self._session}/url", {"url": path.as_uri()})

    def run(self, script: str) -> Any:
        """Run a script in the page and give what it returns."""
        return _call("POST", f"{self._session}/execute/sync", {"script": script, "args": []})

    def errors(self) -> list[str]:
        """What the page wrote to the console."""
        return [entry["message"] for entry in self._log("browser")]

    def requests(self) -> list[str]:
        """What the page asked for since the last call, addresses that hold their own content left out."""
        messages = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        sent = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
        return [url for url in sent if not url.startswith("data:")]

    def screenshot(self) -> bytes:
        """Give what is seen as PNG."""
        return base64.b64decode(_call("GET", f"{self._session}/screenshot"))

    def _chrome(self, command: str, parameters: dict[str, Any]) -> Any:
        return _call("POST", f"{self._session}/goog/cdp/execute", {"cmd": command, "params": parameters})

    def _log(self, kind: str) -> list[dict[str, Any]]:
        return _call("POST", f"{self._session}/se/log", {"type": kind})


@contextmanager
def browser(profile: Path, port: int) -> Iterator[Page]:
    """Start a browser with a profile of its own."""
    program = find_program("chromedriver")
    assert program is not None
    driver = subprocess.Popen([program, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _is_ready(address), what="chromedriver")
        options = {"args": [*_FLAGS, f"--user-data-dir={profile}"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        made = _call("POST", f"{address}/session", {"capabilities": {"alwaysMatch": wanted}})
        session = f"{address}/session/{made['sessionId']}"
        try:
            yield Page(session)
        finally:
            _call("DELETE", session)
    finally:
        driver.terminate()
        driver.wait(timeout=20)


def _is_ready(address: str) -> bool:
    try:
        return bool(_call("GET", f"{address}/status")["ready"])
    except OSError:
        return False


def _call(method: str, url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)["value"]
