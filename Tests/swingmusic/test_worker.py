"""Our pages in a browser in which the web client's service worker answers every page with its own."""

import json
import signal
import subprocess

import pytest

import screen
from harness import http
from harness.nginx import Nginx
from harness.sandbox import REPOSITORY, Sandbox, executable
from harness.waiting import eventually
from house import Site, password
from screen import Screen
from server import CLIENT

LINES = "/* swingmusic-fcgi */"
ASKED_AS_A_WORKER = {"Service-Worker": "script", "Accept-Encoding": "gzip"}

#: Pages below these are ours, whether there is one or not.
OURS = ["/swingmusic-fcgi/status", "/swingmusic-fcgi/openapi.json", "/auth/sessions", "/auth/devices", "/spotify/v1/tracks/x", "/api/catalog/x",
        "/cache/temp/x", "/dragonfly/health"]


class Installed(Site):
    """An admin is there; nginx is as in the release before until `renew`."""

    def __init__(self, sandbox):
        super().__init__(sandbox)
        self.nginx = Nginx(sandbox, self.responder.address, swingmusic=self.swingmusic.port, guarded=True, edit=self.put_back)
        self.swingmusic.start()
        self.responder.start()
        self.nginx.start()
        self.make_user("ada")
        self.post("/notsettings/add-root-dirs", {"new_dirs": [str(self.swingmusic.music)], "removed": []}, self.log_in("ada"))

    @staticmethod
    def put_back(folder):
        """Without the lines before the worker."""
        path = folder / "swingmusic-fcgi/swingmusic.conf"
        text = path.read_text()
        assert text.count("    error_page 418 = @swingmusic_worker;\n") == 1
        path.write_text(text.replace("if ($http_service_worker) {", "if ($http_x_nobody_sends_this) {"))

    def renew(self):
        """The files of this release over the old ones, and nginx reloaded."""
        name = "swingmusic-fcgi/swingmusic.conf"
        (self.nginx.configuration / name).write_text((REPOSITORY / "nginx" / name).read_text())
        self.nginx.process.signal(signal.SIGHUP)
        eventually(lambda: LINES in self.worker().body.decode(), 10, what="nginx has read its new files")

    def worker(self, **headers):
        return self.ask("GET", "/sw.js", headers={**ASKED_AS_A_WORKER, **headers})


@pytest.fixture
def installed(sandbox):
    return Installed(sandbox)


@pytest.fixture(scope="module")
def renewed():
    with Sandbox("renewed") as sandbox:
        renewed = Installed(sandbox)
        renewed.renew()
        yield renewed


def is_clients(page):
    return page.run("return document.title") == "The tests' web client"


def await_control(page):
    """Until the worker that was registered has taken the page over."""
    eventually(lambda: page.run("return navigator.serviceWorker.controller !== null"), 20, 0.1, what="the worker controls the page")



@pytest.mark.skipif(bool(screen.why_not()), reason=screen.why_not() or "")
def test_our_pages_come_through_a_worker_that_is_there_already_from_the_next_start_on(installed):
    """Signed in before the update of nginx's files, as seen: the status page was the web client."""
    address = f"http://127.0.0.1:{installed.nginx.port}"
    with Screen(address) as page:
        page.log_in("ada", password("ada"))
        await_control(page)
        page.open("/swingmusic-fcgi/status", started=False)
        assert is_clients(page), "else there is nothing to cure"
        installed.renew()
        page.open()
        await_control(page)
        # The browser compares the script a second after this start, and takes the new one at once.
        eventually(lambda: not is_clients(page.open("/swingmusic-fcgi/status", started=False)), 30, 4, what="the status page is ours")
        assert page.run("return document.querySelectorAll('h2').length") >= 5, "the page, and not a refusal"
        page.picture("status-under-the-worker")
        for path in OURS:
            page.open(path, started=False)
            assert not is_clients(page), path
        # The client itself is as before: its page and files are kept, and its scripts' questions go as they went.
        page.open("/#/settings")
        await_control(page)
        assert is_clients(page)
        installed.swingmusic.stop()
        page.open()
        assert is_clients(page) and page.find("#who").text == "ada", "the page is there without swingmusic"
        page.open("/swingmusic-fcgi/status", started=False)
        assert not is_clients(page)


def test_the_script_is_the_clients_own_with_our_lines_before_it(installed):
    original = (CLIENT / "sw.js").read_bytes()
    assert installed.worker().body == original
    installed.renew()
    for answer in (installed.worker(), installed.worker(**{"If-None-Match": '"x"', "If-Modified-Since": "Thu, 26 Nov 2099 00:00:00 GMT"}),
                   installed.worker(Range="bytes=0-9")):
        assert answer.status == 200 and answer.body.startswith(LINES.encode()) and answer.body.endswith(original)
        assert answer.headers["cache-control"] == "no-cache" and "javascript" in answer.headers["content-type"]
        assert not {"etag", "last-modified", "content-encoding", "set-cookie"} & set(answer.headers)
    # A client of another version: its script is asked for anew each time.
    (installed.swingmusic.client / "sw.js").write_bytes(original + b"// newer\n")
    assert installed.worker().body.endswith(b"// newer\n")


def test_whatever_the_script_is_called_it_has_our_lines_and_nothing_else_has(renewed):
    (renewed.swingmusic.client / "other-worker.js").write_text("// another\n")
    named = renewed.ask("GET", "/other-worker.js", headers=ASKED_AS_A_WORKER)
    assert named.body.startswith(LINES.encode()) and named.body.endswith(b"// another\n")
    assert renewed.get("/sw.js").body == (CLIENT / "sw.js").read_bytes()
    for path in ("/assets/index.css", "/favicon.ico"):
        assert LINES.encode() not in renewed.ask("GET", path, headers=ASKED_AS_A_WORKER).body
    missing = renewed.ask("GET", "/none.js", headers=ASKED_AS_A_WORKER)
    assert missing.status == 404 and LINES.encode() not in missing.body


@pytest.mark.parametrize("path", ["/swingmusic-fcgi/worker-lines.js", "/folder", "/auth/user", "/file/x.js", "/img/x.js", "/nothome/x.js"])
def test_what_a_worker_says_of_itself_opens_nothing(renewed, path):
    answer = renewed.ask("GET", path, headers=ASKED_AS_A_WORKER)
    assert answer.status in (401, 404) and answer.status == renewed.get(path).status


def test_the_same_holds_without_the_guard(renewed, sandbox):
    plain = Nginx(sandbox, renewed.responder.address, swingmusic=renewed.swingmusic.port).start()
    answer = http.request(plain.port, "GET", "/sw.js", ASKED_AS_A_WORKER)
    assert answer.body.startswith(LINES.encode()) and answer.body.endswith((CLIENT / "sw.js").read_bytes())


def findings_of_check(installed, *options):
    environment = installed.sandbox.environment(**installed.responder.settings)
    run = subprocess.run([executable(), "check", "--json", *options], env=environment, capture_output=True, text=True, timeout=30)
    return [each for each in json.loads(run.stdout)["findings"] if each["subject"] == "pages"]


def test_check_says_what_to_open_and_whether_the_worker_lets_it_through(installed):
    address = f"http://127.0.0.1:{installed.nginx.port}"
    assert "--url" in findings_of_check(installed)[0]["detail"]
    where, before = findings_of_check(installed, "--url", address)
    assert where["detail"] == f"the status page is {address}/swingmusic-fcgi/status"
    assert before["grade"] == "warning" and "reload nginx" in before["remedy"]
    installed.renew()
    for options, settings in ((("--url", f"{address}/"), None), ((), address)):
        installed.responder.settings["SWINGMUSIC_FCGI_PUBLIC_URL"] = settings
        assert findings_of_check(installed, *options)[1]["grade"] == "ok"
    (installed.swingmusic.client / "sw.js").unlink()
    assert findings_of_check(installed, "--url", address)[1]["detail"].startswith("the web client has no service worker")
    installed.swingmusic.stop()
    assert findings_of_check(installed, "--url", address)[1]["detail"].endswith("is answered 502")
    installed.nginx.stop()
    assert "could not be asked" in findings_of_check(installed, "--url", address)[1]["detail"]
