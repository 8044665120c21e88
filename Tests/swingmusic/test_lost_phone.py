"""A lost phone before the real swingmusic: paired, seen in the list, ended in the page in Chromium; and what swingmusic itself then gives for
its token, asked past nginx."""

import time

import pytest

from harness.browser import Browser, chromium
from harness.waiting import eventually
from house import JSON, password

PAGE = "/auth/devices"
APP = {"User-Agent": "Dart/3.4 (dart:io)"}
REVOKED = {"msg": "Token has been revoked"}


@pytest.fixture
def owner(real):
    """A user of the test's own: (name, access token of a browser)."""
    name = f"owner{time.monotonic_ns()}"
    real.make_user(name, real.tokens["admin"])
    return name, real.log_in(name)


def pair(real, access):
    code = real.get("/auth/getpaircode", cookie=access).json()["code"]
    answer = real.get(f"/auth/pair?code={code}", headers=APP)
    assert answer.status == 200, answer
    return answer.json()


def statuses(real, access):
    """At this program, and at swingmusic's own routes behind the guard."""
    paths = ("/auth/user", "/auth/verify", "/notsettings", "/getall/albums?start=0&limit=1", real.song_path())
    return {real.get(path, cookie=access, headers=APP).status for path in paths}


def is_out(real, access):
    found = statuses(real, access)
    assert found == {401} or found <= {200, 204, 206}, found
    return found == {401}


@pytest.fixture(scope="module")
def browser():
    if chromium() is None:
        pytest.skip("chromium is not installed")
    with Browser() as opened:
        yield opened


def end_others(browser, real, access, words):
    """In the page, at 390 pixels: presses the button of those words and waits until the list has this device alone."""
    page = browser.open(f"http://127.0.0.1:{real.nginx.port}{PAGE}", width=390, height=844, profile=browser.profile(),
                        cookies={"access_token_cookie": access})
    assert page.evaluate("[innerWidth, document.documentElement.scrollWidth]") == [390, 390]
    page.evaluate(f"[...document.querySelectorAll('button')].find(each => each.ariaLabel?.startsWith({words!r})).click()")

    def is_done():
        try:
            return page.evaluate("document.body?.innerText.includes('No other device is signed in.') ?? false")
        except (AssertionError, RuntimeError):
            return False  # between two pages

    eventually(is_done, 10, what="no other device is listed")
    assert page.messages() == []


def test_a_lost_phone_is_out_at_once_and_the_browser_stays(real, owner, browser):
    _, desk = owner
    phone = pair(real, desk)["accesstoken"]
    assert not is_out(real, phone)
    end_others(browser, real, desk, "Sign out: Swing Music app")
    assert is_out(real, phone) and not is_out(real, desk)


def test_the_phone_ends_the_browser(real, owner, browser):
    _, desk = owner
    real.get("/auth/sessions", cookie=desk, headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"})
    phone = pair(real, desk)["accesstoken"]
    end_others(browser, real, phone, "Sign out: Firefox on Linux")
    assert is_out(real, desk) and not is_out(real, phone)


def test_what_swingmusic_gives_for_an_ended_token_is_refused_and_what_it_gives_others_is_taken(real, owner):
    name, desk = owner
    port = real.swingmusic.port
    # Nothing of this user's has ended yet: signing in at swingmusic itself is as good as here.
    theirs = real.post("/auth/login", {"username": name, "password": password(name)}, port=port).json()["accesstoken"]
    assert not is_out(real, theirs)

    phone = pair(real, desk)
    session = next(each["id"] for each in real.get("/auth/sessions", cookie=desk).json()["sessions"] if each["device"] == "Swing Music app")
    assert real.ask("DELETE", f"/auth/sessions/{session}", cookie=desk).status == 200
    # swingmusic knows nothing of it, and gives new tokens to whoever reaches it.
    fresh = real.ask("POST", "/auth/refresh", phone["refreshtoken"], port=port)
    assert fresh.status == 200, fresh
    assert real.get("/auth/user", fresh.json()["accesstoken"], port=port).status == 200
    assert is_out(real, fresh.json()["accesstoken"])
    assert real.get("/auth/user", fresh.json()["accesstoken"]).json() == REVOKED
    assert real.ask("POST", "/auth/refresh", fresh.json()["refreshtoken"]).json() == REVOKED
    # The rest stays as it was: here, and what swingmusic made before that end.
    assert not is_out(real, desk) and not is_out(real, theirs)
    assert not is_out(real, real.log_in(name))


def test_guest_access_goes_off_and_on_at_once(real):
    admin = real.tokens["admin"]
    for _ in range(2):
        assert real.ask("POST", "/auth/profile/guest/create", admin).status == 200
        assert real.ask("DELETE", "/auth/profile/delete", admin, JSON, b'{"username":"guest"}').status == 200
