"""Headless Chromium by its debugging pipe: two file descriptors, JSON between NUL bytes.

No driver, no package and no port: what the tests need of the protocol is a handful of calls.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WAIT_S = 40.0  # a busy machine is no mistake of the page
KEYS = {"Enter": 13, "Tab": 9, "Escape": 27, " ": 32, "Home": 36, "End": 35, "ArrowLeft": 37,
        "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}  # fmt: skip


def find_browser() -> str | None:
    """Chromium as Debian has it, or what `CHROMIUM` names."""
    named = os.environ.get("CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


# The browser reads from descriptor 3 and writes to 4.
_START = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def _moved(pipe: tuple[int, int]) -> tuple[int, int]:
    """A pipe with other numbers than 3 and 4."""
    first, second = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in pipe)
    for end in pipe:
        os.close(end)
    return first, second


class PageError(AssertionError):
    """The page threw, or did not come to what was waited for."""


class Browser:
    """A browser with one page."""

    def __init__(self, program: str, profile: Path) -> None:
        to_browser, self._out = _moved(os.pipe())
        self._in, from_browser = _moved(os.pipe())
        command = [program, "--headless=new", "--remote-debugging-pipe", "--no-sandbox"]
        command += ["--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--mute-audio"]
        command += [f"--user-data-dir={profile}", "--window-size=1200,900", "about:blank"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", _START, str(to_browser), str(from_browser), *command],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._buffer = b""
        self._next = 0
        self._session: str | None = None
        self.wrong: list[str] = []  # what the page threw, or wrote to its console as an error
        self.requested: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self._call(f"{domain}.enable")

    def close(self) -> None:
        os.close(self._out)
        self.process.kill()
        self.process.wait()
        os.close(self._in)

    # -- the protocol

    def _call(self, method: str, **parameters: Any) -> Any:
        self._next += 1
        message: dict[str, Any] = {"id": self._next, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            got = self._receive()
            if got.get("id") == self._next:
                if "error" in got:
                    raise PageError(f"{method}: {got['error']}")
                return got["result"]
            self._note(got)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            piece = os.read(self._in, 1 << 20)
            if not piece:
                raise PageError("the browser ended")
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def _note(self, got: dict[str, Any]) -> None:
        match got:
            case {"method": "Runtime.exceptionThrown", "params": {"exceptionDetails": details}}:
                self.wrong.append(json.dumps(details)[:500])
            case {"method": "Log.entryAdded", "params": {"entry": {"level": "error"} as entry}}:
                self.wrong.append(f"{entry['text']} {entry.get('url', '')}")
            case {"method": "Runtime.consoleAPICalled", "params": {"type": "error"} as said}:
                self.wrong.append(json.dumps(said["args"])[:500])
            case {"method": "Network.requestWillBeSent", "params": {"request": {"url": url}}}:
                self.requested.append(url)

    # -- what a test does

    def open(self, url: str) -> None:
        self._call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of an expression in the page; promises are waited for."""
        got = self._call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in got:
            raise PageError(json.dumps(got["exceptionDetails"])[:1000])
        return got["result"].get("value")

    def wait(self, script: str) -> Any:
        """Waits until an expression is true."""
        deadline_s = time.monotonic() + WAIT_S
        while time.monotonic() < deadline_s:
            found = self.run(
                f"(() => {{ try {{ return Boolean({script}) }} catch {{ return false }} }})()"
            )
            if found:
                return found
            time.sleep(0.03)
        text = self.run("document.body.innerText")
        raise PageError(f"never came: {script}\n{self.wrong}\n{text}")

    def text(self, selector: str = "body") -> str:
        return str(self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def wait_text(self, text: str, selector: str = "body") -> None:
        self.wait(
            f"document.querySelector({json.dumps(selector)}).innerText.includes({json.dumps(text)})"
        )

    def click(self, selector: str, text: str = "") -> None:
        """A click with the mouse, in the middle of the first element that says this."""
        found = (
            f"[...document.querySelectorAll({json.dumps(selector)})]"
            f".find((e) => e.textContent.includes({json.dumps(text)}) && e.offsetParent)"
        )
        self.wait(f"Boolean({found})")
        self.run(f"{found}.scrollIntoView({{block: 'center'}})")
        box = self.run(
            f"(() => {{ const b = {found}.getBoundingClientRect();"
            "return [b.x + b.width / 2, b.y + b.height / 2] })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self._call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=box[0],
                y=box[1],
                button="left",
                clickCount=1,
            )

    def type(self, text: str) -> None:
        self._call("Input.insertText", text=text)

    def key(self, *names: str, shift: bool = False) -> None:
        """Presses keys, one after the other."""
        for name in names:
            code = KEYS.get(name, ord(name.upper()[0]))
            parameters: dict[str, Any] = {
                "key": name, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0,
                "code": "Space" if name == " " else name if len(name) > 1 else f"Key{name.upper()}",
            }  # fmt: skip
            text = "\r" if name == "Enter" else name if len(name) == 1 else ""
            down = {**parameters, "text": text} if text else parameters
            self._call("Input.dispatchKeyEvent", type="keyDown", **down)
            self._call("Input.dispatchKeyEvent", type="keyUp", **parameters)

    def fill(self, selector: str, text: str) -> None:
        """Puts a text into a field, as if it was typed over what was there."""
        element = f"document.querySelector({json.dumps(selector)})"
        self.wait(element)
        for _ in range(20):  # a page that was opened just now may not take it yet
            self.run(f"(() => {{ const e = {element}; e.focus(); e.select(); }})()")
            self.type(text)
            if self.run(f"{element}.value === {json.dumps(text)}"):
                return
            time.sleep(0.05)
        raise PageError(f"{selector} does not take {text!r}")

    def choose_file(self, selector: str, path: Path) -> None:
        """What a person does in the window where files are chosen."""
        found = self._call("Runtime.evaluate", expression=f"document.querySelector('{selector}')")
        self._call("DOM.setFileInputFiles", files=[str(path)], objectId=found["result"]["objectId"])

    def save_to(self, folder: Path) -> None:
        """What the page saves goes there."""
        self._call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def focused(self, script: str) -> Any:
        return self.run(f"((e) => {script})(document.activeElement)")

    def scheme(self, dark: bool) -> None:
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._call("Emulation.setEmulatedMedia", features=features)

    def size(self, width: int, height: int, scale: float = 1) -> None:
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 600,
        )

    def picture(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))

    def accessible(self) -> list[dict[str, Any]]:
        """The page as a screen reader is given it: role, name and properties of every node."""
        nodes = self._call("Accessibility.getFullAXTree")["nodes"]
        return [
            {
                "role": node["role"]["value"],
                "name": node.get("name", {}).get("value", ""),
                **{item["name"]: item["value"].get("value") for item in node.get("properties", [])},
            }
            for node in nodes
            if not node.get("ignored") and "role" in node
        ]


Wait = Callable[[], bool]
