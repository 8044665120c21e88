"""Chromium, driven by Debian's chromedriver through selenium, and what it complained of in its console."""

import json
import os
import re
import shutil
import tempfile
import time
from urllib.parse import urlsplit

from harness.browser import chromium
from harness.sandbox import REPOSITORY
from harness.waiting import eventually

try:
    from selenium import webdriver
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
except ImportError:
    webdriver = None

#: Pictures of the states, one each; they are for people, and no test reads them.
PICTURES = REPOSITORY / ".build/screens"

#: What the console may hold, by path and status, and why. `test_browser.py` shows which of these swingmusic alone causes as well.
EXPECTED = {
    ("/auth/user", 401): "the client asks who is signed in before anybody is",
    ("/auth/login", 401): "a wrong password, on purpose",
    ("/events/stream", 401): "the client wants events before anybody is signed in; strangers get none (docs/nginx.md)",
}


def why_not():
    """Why no browser can be driven here; None when one can."""
    if webdriver is None:
        return "selenium is not installed: scripts/test installs it from PyPI, which could not be reached"
    if chromium() is None or shutil.which("chromedriver") is None:
        return "chromium and chromedriver are not installed: scripts/install-dependencies test installs them where Debian has them"
    return None


class Screen:
    """One browser with nothing in it. A context manager; `address`: what is opened."""

    def __init__(self, address, width=1280, height=900):
        self.address, self._size = address, (width, height)
        self._complaints = []
        self._hosts = set()

    def __enter__(self):
        # Its own files are no logs of the tests'.
        self._folder = tempfile.mkdtemp(prefix="smfcgi-screen-", dir="/tmp")
        options = webdriver.ChromeOptions()
        options.binary_location = chromium()
        for word in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "no-first-run", "disable-background-networking",
                     "disable-component-update", "mute-audio", f"window-size={self._size[0]},{self._size[1]}",
                     f"user-data-dir={self._folder}"):
            options.add_argument(f"--{word}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"), env={**os.environ, "HOME": self._folder})
        self.driver = webdriver.Chrome(options=options, service=service)
        self.driver.set_page_load_timeout(30)
        return self

    def __exit__(self, *_):
        self.driver.quit()
        shutil.rmtree(self._folder, ignore_errors=True)

    def open(self, path="/", started=True):
        """`started`: waits until the web client has come to its first page."""
        self.driver.get(self.address + path)
        if started:
            self.await_start()
        return self

    def await_start(self):
        # A page that is being left is none any more: the look is taken again.
        eventually(lambda: self.run("return document.readyState === 'complete' && document.body.dataset.started"), 20, 0.1,
                   what="the web client has started")

    def run(self, script, *arguments):
        """JavaScript in the page: `return ...` gives its value, and a promise's."""
        return self.driver.execute_script(script, *arguments)

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def is_shown(self, selector):
        return any(element.is_displayed() for element in self.all(selector))

    def await_shown(self, selector, within=20):
        eventually(lambda: self.is_shown(selector), within, 0.1, what=f"{selector} is shown")

    def await_text(self, selector, text, within=20):
        eventually(lambda: text in self.find(selector).text, within, 0.1, what=f"{selector} says {text}")

    def click(self, selector):
        self.find(selector).click()

    def fill(self, selector, **values):
        """Types into a form and sends it off."""
        for name, value in values.items():
            field = self.find(f"{selector} input[name={name}]")
            field.clear()
            field.send_keys(value)
        field.send_keys(Keys.ENTER)

    def go(self, page):
        """A page of the client's own, until it has been told all."""
        before = self.run("return document.getElementById(arguments[0]).dataset.ready ?? 0", page)
        self.run("location.hash = arguments[0]", f"#/{page}" if page != "home" else "#/")
        eventually(lambda: self.run("return document.getElementById(arguments[0]).dataset.ready ?? 0", page) != before, 20, 0.1,
                   what=f"{page} is shown")

    def log_in(self, name, password):
        self.open()
        self.await_shown("#login")
        self.fill("#credentials", username=name, password=password)
        self.await_home()

    def await_home(self):
        eventually(lambda: self.run("return document.getElementById('home')?.dataset.ready"), 20, 0.1, what="the home page is shown")

    def token(self):
        found = self.driver.get_cookie("access_token_cookie")
        return found and found["value"]

    def picture(self, name):
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(PICTURES / f"{name}.png"))

    def asked(self):
        """(path, status, headers of the request in lower case) of every answer since the last call, in the order of their coming."""
        requests, answers = {}, []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            parameters = message["params"]
            if message["method"] == "Network.requestWillBeSent":
                request = parameters["request"]
                requests.setdefault(parameters["requestId"], {}).update({key.lower(): value for key, value in request["headers"].items()})
                # What a new browser shows of itself has other schemes.
                if urlsplit(request["url"]).scheme in ("http", "https", "ws", "wss"):
                    self._hosts.add(urlsplit(request["url"]).netloc)
            elif message["method"] == "Network.requestWillBeSentExtraInfo":
                requests.setdefault(parameters["requestId"], {}).update({key.lower(): value for key, value in parameters["headers"].items()})
            elif message["method"] == "Network.responseReceived":
                response = parameters["response"]
                answers.append((urlsplit(response["url"]).path, response["status"], parameters["requestId"]))
        return [(path, status, requests.get(number, {})) for path, status, number in answers]

    def hosts(self):
        """Every host and port that was asked so far."""
        self.asked()
        return self._hosts

    def complaints(self):
        """Errors in the console so far: (path, status) of what failed to load, else the words."""
        for entry in self.driver.get_log("browser"):
            if entry["level"] == "SEVERE":
                found = re.match(r"(\S+) - Failed to load resource: the server responded with a status of (\d+)", entry["message"])
                self._complaints.append((urlsplit(found[1]).path, int(found[2])) if found else entry["message"])
        return self._complaints

    def forget_complaints(self):
        self.complaints()
        self._complaints = []

    def unexplained(self):
        return [each for each in self.complaints() if each not in EXPECTED]


def settle(seconds):
    """Lets a player play: what is tested is that time passes in it."""
    time.sleep(seconds)
