"""Headless Chromium, driven over its DevTools protocol through a pair of pipes (chromedevtools.github.io/devtools-protocol)."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time

from .waiting import readable

#: The descriptors that --remote-debugging-pipe reads from and writes to.
READS, WRITES = 3, 4


def chromium():
    """The browser's path, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """A context manager."""

    def __enter__(self):
        self._folder = tempfile.mkdtemp(prefix="smfcgi-browser-", dir="/tmp")
        (their_in, self._out), (self._in, their_out) = os.pipe(), os.pipe()
        # The shell puts the pipes where the browser looks for them, whatever their numbers were.
        line = f'exec "$@" {READS}<&{their_in} {WRITES}>&{their_out}'
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", line, "bash", chromium(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
             f"--user-data-dir={self._folder}", "--remote-debugging-pipe", "about:blank"],
            pass_fds=(their_in, their_out), env={**os.environ, "HOME": self._folder},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(their_in)
        os.close(their_out)
        self._numbers, self._rest, self._events = itertools.count(1), b"", []
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)
        shutil.rmtree(self._folder, ignore_errors=True)

    def command(self, method, session=None, within=30.0, **parameters):
        """Sends a command and returns its result; events that come meanwhile are kept."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        os.write(self._out, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + within
        while True:
            got = self._receive(end)
            if got.get("id") == number:
                if "error" in got:
                    raise RuntimeError(f"{method}: {got['error']}")
                return got["result"]
            self._events.append(got)

    def await_event(self, method, session, within=30.0):
        end = time.monotonic() + within
        while not any(event["method"] == method for event in self.events(session)):
            self._events.append(self._receive(end))

    def events(self, session):
        return [event for event in self._events if event.get("sessionId") == session]

    def _receive(self, end):
        while b"\0" not in self._rest:
            if not readable(self._in, max(0, end - time.monotonic())):
                raise TimeoutError("the browser does not answer")
            read = os.read(self._in, 1 << 20)
            if not read:
                raise RuntimeError(f"the browser ended with {self._process.wait()}")
            self._rest += read
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def profile(self):
        """Cookies of its own, as another person's browser has them; for `open`."""
        return self.command("Target.createBrowserContext")["browserContextId"]

    def open(self, url, width=1280, height=900, headers=None, scheme="light", before="", profile=None, cookies=None):
        """A loaded page in a window of `width` CSS pixels; `before` is a script that runs ahead of the page's own; `cookies`, by name, are put
        into the profile first, as a server would."""
        context = {"browserContextId": profile} if profile else {}
        target = self.command("Target.createTarget", url="about:blank", **context)["targetId"]
        page = Page(self, self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.command(f"{domain}.enable")
        page.look(width, scheme, height)
        page.command("Network.setExtraHTTPHeaders", headers=headers or {})
        page.command("Page.addScriptToEvaluateOnNewDocument", source=before)
        for name, value in (cookies or {}).items():
            page.command("Network.setCookie", url=url, name=name, value=value, httpOnly=True, path="/")
        failure = page.command("Page.navigate", url=url).get("errorText")
        assert not failure, failure
        self.await_event("Page.loadEventFired", page.session)
        return page


class Page:
    def __init__(self, browser, session):
        self.browser, self.session = browser, session

    def command(self, method, **parameters):
        return self.browser.command(method, self.session, **parameters)

    def look(self, width, scheme="light", height=900):
        """Shows the page in a window of `width` CSS pixels, from now on."""
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def evaluate(self, expression):
        """The value of a JavaScript expression; promises are awaited."""
        got = self.command("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in got, got
        return got["result"].get("value")

    def messages(self):
        """What the console shows: calls of `console`, uncaught exceptions, violations of the policy, failed requests."""
        self.evaluate("1")  # what was said before this has arrived when its answer does
        kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [event["params"] for event in self.browser.events(self.session) if event["method"] in kinds]

    def requests(self):
        """The addresses that the page asked for."""
        return [event["params"]["request"]["url"] for event in self.browser.events(self.session)
                if event["method"] == "Network.requestWillBeSent"]

    def press(self, key, code, text=""):
        """A key, as a user of the keyboard presses it."""
        for kind in ("keyDown", "keyUp"):
            self.command("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, text=text if kind == "keyDown" else "")

    def screenshot(self, path):
        """The whole page, however long, as PNG."""
        shot = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))
