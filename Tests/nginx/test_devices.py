"""A lost phone, through nginx and in a real browser of 390 pixels: the page of one's own devices, its forms, and what ends with them."""

import html
import re
import time
import urllib.parse

import pytest

from harness.browser import Browser, chromium
from harness.household import Household
from harness.legibility import CONTRAST, MISFITS
from harness.swingmusic import claims, token
from harness.waiting import eventually

PAGE = "/auth/devices"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PHONE = "Dart/3.4 (dart:io)"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def own():
    with Household("devices") as opened:
        yield opened


class Page:
    """The page as a client without a browser has it: what its forms would send."""

    def __init__(self, household, access, port=None):
        self.household, self.access = household, access
        answer = household.ask("GET", PAGE, cookie=access, headers={"User-Agent": FIREFOX})
        assert answer.status == 200 and answer.headers["content-type"] == "text/html; charset=utf-8", answer
        self.text = answer.body.decode()
        [self.proof] = set(re.findall(r'name="proof" value="([^"]*)"', self.text))
        #: Session ids by the words of their buttons.
        self.others = {html.unescape(name): session for session, name in re.findall(
            r'name="session" value="([^"]*)">\s*<button name="action" value="end" aria-label="([^"]*)"', self.text)}

    def send(self, action, origin="own", proof=None, headers=None, **more):
        fields = {"action": action, "proof": self.proof if proof is None else proof, **more}
        headers = {**FORM, **(headers or {})}
        if origin:
            headers["Origin"] = f"http://127.0.0.1:{self.household.nginx.port}" if origin == "own" else origin
        return self.household.ask("POST", PAGE, cookie=self.access, headers=headers, body=urllib.parse.urlencode(fields).encode())


def is_out(own, access):
    """At every worker, at the guard, for a file and for what swingmusic serves."""
    statuses = own.everywhere(access) | {own.ask("GET", path, cookie=access).status for path in ("/auth/verify", "/files/song.flac", "/guarded/x")}
    assert statuses in ({401}, {200, 204}), statuses
    return statuses == {401}


@pytest.mark.parametrize("lost", ["phone", "browser"])
def test_what_was_lost_is_out_at_once_and_the_other_stays(own, lost):
    browser = own.log_in("bob")["accesstoken"]
    phone = own.pair(browser, PHONE)
    kept, gone = (browser, phone["accesstoken"]) if lost == "phone" else (phone["accesstoken"], browser)
    own.ask("GET", "/auth/sessions", cookie=gone, headers={"User-Agent": PHONE if lost == "phone" else FIREFOX})
    page = Page(own, kept)
    [(name, session)] = page.others.items()
    assert name == f"Sign out: {'Swing Music app' if lost == 'phone' else 'Firefox on Linux'}, 127.0.0.1"
    answer = page.send("end", session=session)
    assert (answer.status, answer.headers["location"]) == (303, PAGE) and "set-cookie" not in answer.headers
    assert is_out(own, gone) and not is_out(own, kept)
    if lost == "phone":
        assert own.ask("POST", "/auth/refresh", bearer=phone["refreshtoken"]).json() == {"msg": "Token has been revoked"}
    # And what swingmusic would give for it now.
    fresh = token(claims(2))
    assert is_out(own, fresh) and not is_out(own, token(claims(3)))
    assert "No other device is signed in." in Page(own, kept).text


def test_signing_out_in_the_browser_leaves_the_phone(own):
    browser = own.log_in("bob")["accesstoken"]
    phone = own.pair(browser, PHONE)["accesstoken"]
    assert own.ask("GET", "/auth/logout", cookie=browser).status == 200
    assert is_out(own, browser) and not is_out(own, phone)


def test_all_others_end_and_this_one_signs_out(own):
    browser = own.log_in("bob")["accesstoken"]
    others = [own.pair(browser, PHONE)["accesstoken"], own.log_in("bob")["accesstoken"]]
    carol = own.log_in("carol")["accesstoken"]
    assert Page(own, browser).send("end-others").status == 303
    assert all(is_out(own, each) for each in others) and not is_out(own, browser) and not is_out(own, carol)
    answer = Page(own, browser).send("sign-out")
    assert answer.status == 303 and answer.headers["set-cookie"].startswith("access_token_cookie=; Expires=Thu, 01 Jan 1970")
    assert is_out(own, browser)


def test_without_a_session_the_page_says_so(own):
    ended = own.log_in("bob")["accesstoken"]
    assert own.ask("GET", "/auth/logout", cookie=ended).status == 200
    for access in (None, "garbage", ended, token(claims(2), key="0" * 64)):
        answer = own.ask("GET", PAGE, cookie=access)
        assert answer.status == 401 and b'<a class="action" href="/">Sign in</a>' in answer.body, answer
        assert own.ask("POST", PAGE, cookie=access, headers=FORM, body=b"action=end-others").status == 401
    assert own.ask("HEAD", PAGE).status == 401 and own.ask("HEAD", PAGE).body == b""


def test_a_cookie_that_is_due_is_renewed_with_the_page_and_its_form_is_as_good(own):
    due = token(claims(2, issued=int(time.time()) - 25 * 86_400))
    answer = own.ask("GET", PAGE, cookie=due)
    renewed = answer.headers["set-cookie"].removeprefix("access_token_cookie=").partition(";")[0]
    page, other = Page(own, due), own.log_in("bob")["accesstoken"]
    page.access = renewed
    assert page.send("end-others").status == 303
    assert is_out(own, other) and not is_out(own, renewed) and not is_out(own, due)


@pytest.mark.parametrize("origin, headers, status", [
    ("own", {}, 303), ("own", {"Sec-Fetch-Site": "same-origin"}, 303), (None, {}, 403), ("null", {}, 403), ("https://evil.example", {}, 403),
    ("http://127.0.0.1", {}, 403), ("http://127.0.0.1:1", {}, 403), ("http://localhost", {}, 403), ("own", {"Sec-Fetch-Site": "cross-site"}, 403),
    # A proxy in front ends TLS: it tells, or the browser does, or nobody can.
    ("https", {"X-Forwarded-Proto": "https"}, 303), ("https", {"Sec-Fetch-Site": "same-origin"}, 303), ("https", {}, 403),
    ("own", {"X-Forwarded-Proto": "https"}, 403), ("own", {"X-Forwarded-Proto": "javascript"}, 403),
])
def test_a_form_needs_the_pages_own_origin(own, origin, headers, status):
    page, other = Page(own, own.log_in("bob")["accesstoken"]), own.log_in("bob")["accesstoken"]
    origin = f"https://127.0.0.1:{own.nginx.port}" if origin == "https" else origin
    answer = page.send("end-others", origin=origin, headers=headers)
    assert answer.status == status
    assert is_out(own, other) == (status == 303)


def test_a_form_needs_the_proof_of_its_own_session(own):
    (mine, other), carol = (own.log_in("bob")["accesstoken"] for _ in range(2)), own.log_in("carol")["accesstoken"]
    page = Page(own, mine)
    for proof in ("", "x", Page(own, other).proof, Page(own, carol).proof):
        answer = page.send("end-others", proof=proof)
        assert answer.status == 403 and b"The page is out of date" in answer.body
    assert page.send("nothing").status == 400
    assert page.send("end", session=next(iter(Page(own, mine).others.values())), headers={"Content-Type": "text/plain"}).status == 403
    assert not is_out(own, other)


def test_ones_own_page_ends_nobody_elses_session_an_admins_neither(own):
    admin, bob = own.log_in("admin")["accesstoken"], own.log_in("bob")["accesstoken"]
    [session] = [each["id"] for each in own.ask("GET", "/auth/sessions", cookie=bob).json()["sessions"]]
    assert Page(own, admin).others == {}
    assert Page(own, admin).send("end", session=session).status == 303
    assert not is_out(own, bob)


def test_no_page_of_another_origin_reads_the_page():
    with Household("devices-cors", SWINGMUSIC_FCGI_CORS_ORIGINS="https://friend.example") as own:
        answer = own.ask("GET", PAGE, cookie=own.log_in("bob")["accesstoken"], headers={"Origin": "https://friend.example"})
        assert answer.status == 200 and "access-control-allow-origin" not in answer.headers
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_with_a_public_url_that_is_the_origin():
    with Household("devices-url", SWINGMUSIC_FCGI_PUBLIC_URL="https://music.example:8443") as own:
        access = own.log_in("bob")["accesstoken"]
        assert Page(own, access).send("end-others", origin="https://music.example:8443").status == 303
        for origin in ("own", "https://music.example", "http://music.example:8443"):
            assert Page(own, access).send("end-others", origin=origin).status == 403


# In the browser.

@pytest.fixture(scope="module")
def browser():
    if chromium() is None:
        pytest.skip("chromium is not installed")
    with Browser() as opened:
        yield opened


def opened(browser, own, access, scheme="light", width=390, profile=None):
    """The page in a profile of its own, signed in by a cookie as swingmusic's clients have it."""
    cookies = {"access_token_cookie": access} if access else {}
    return browser.open(f"http://127.0.0.1:{own.nginx.port}{PAGE}", width=width, height=844, scheme=scheme, cookies=cookies,
                        profile=profile or browser.profile())


def texts(page, selector):
    return page.evaluate(f"[...document.querySelectorAll({selector!r})].map(each => each.innerText)")


def click(page, words, then):
    """Clicks the button of those words and waits for the page that comes of it."""
    page.evaluate("window.isOld = true")
    page.evaluate(f"[...document.querySelectorAll('button')].find(each => (each.ariaLabel ?? each.innerText).startsWith({words!r})).click()")
    eventually(lambda: settled(page, then), 10, what=f"the page has {then}")


def settled(page, then):
    try:
        return page.evaluate(f"!window.isOld && document.readyState == 'complete' && document.body.innerText.includes({then!r})")
    except (AssertionError, RuntimeError):
        return False  # between two pages


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_reads_well(browser, own, width, scheme, tmp_path):
    own.swingmusic.execute("UPDATE user SET username = ? WHERE id = 2", "<b>Annabella-Josephina & the 'Others' from Llanfairpwllgwyngyll</b>" * 2)
    first = own.log_in("<b>Annabella-Josephina & the 'Others' from Llanfairpwllgwyngyll</b>" * 2, "bobpw")["accesstoken"]
    for agent in (PHONE, "x" * 300, "<script>alert(1)</script>", FIREFOX):
        own.pair(first, agent)
    page = opened(browser, own, first, scheme, width)
    page.screenshot(tmp_path / "devices.png")
    assert page.messages() == []
    assert page.evaluate("[innerWidth, document.documentElement.scrollWidth]") == [width, width]
    assert page.evaluate(MISFITS) == []
    assert page.evaluate(CONTRAST) >= 4.5
    assert texts(page, "h1") == ["Your devices"] and len(texts(page, "h2")) == 5
    assert texts(page, "h2")[0].endswith("this device") and page.evaluate("document.querySelectorAll('b').length") == 1
    # Fingers want 44 pixels; each button says to a screen reader which device it is about.
    assert page.evaluate("Math.min(...[...document.querySelectorAll('button')].map(each => each.getBoundingClientRect().height))") >= 44
    names = page.evaluate("[...document.querySelectorAll('button')].map(each => each.ariaLabel ?? each.innerText)")
    assert len(names) == 6 and len(set(names)) == 6 and page.evaluate("document.documentElement.lang") == "en"
    assert {url for url in page.requests() if not url.startswith("data:")} == {f"http://127.0.0.1:{own.nginx.port}{PAGE}"}


def test_a_lost_phone_in_the_page(browser, own):
    desk = own.log_in("bob")["accesstoken"]
    phone = own.pair(desk, PHONE)["accesstoken"]
    page = opened(browser, own, desk)
    assert texts(page, "h2 bdi") == ["Chrome on Linux", "Swing Music app"]
    click(page, "Sign out: Swing Music app", "No other device is signed in.")
    assert is_out(own, phone) and not is_out(own, desk)
    assert page.messages() == []


def test_a_lost_desk_in_the_page_on_the_phone(browser, own):
    desk = own.log_in("bob")["accesstoken"]
    phone = own.pair(desk, PHONE)["accesstoken"]
    on_desk, on_phone = opened(browser, own, desk, width=1280), opened(browser, own, phone)
    click(on_phone, "Sign out: Chrome on Linux", "No other device is signed in.")
    assert is_out(own, desk) and not is_out(own, phone)
    # The desk's own page, still open, does nothing any more.
    click(on_desk, "Sign out all other devices", "On this device nobody is signed in.")
    assert not is_out(own, phone)


def test_all_others_and_then_this_one_in_the_page(browser, own):
    desk = own.log_in("bob")["accesstoken"]
    others = [own.pair(desk, PHONE)["accesstoken"] for _ in range(3)]
    page = opened(browser, own, desk)
    click(page, "Sign out all other devices", "No other device is signed in.")
    assert all(is_out(own, each) for each in others) and not is_out(own, desk)
    click(page, "Sign out here", "On this device nobody is signed in.")
    assert is_out(own, desk)
    assert page.evaluate("document.querySelector('a').getAttribute('href')") == "/"
    assert page.evaluate(MISFITS) == [] and page.evaluate(CONTRAST) >= 4.5


def test_the_keyboard_is_enough(browser, own):
    desk = own.log_in("bob")["accesstoken"]
    phone = own.pair(desk, PHONE)["accesstoken"]
    page = opened(browser, own, desk)
    page.command("Page.bringToFront")
    reached = []
    for _ in range(4):
        page.press("Tab", 9)
        reached.append(page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.innerText"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineWidth") == "3px"
    assert reached == ["Sign out here", "Sign out: Swing Music app, 127.0.0.1", "Sign out all other devices", "Back to the music"]
    page.evaluate("window.isOld = true")
    page.evaluate("document.querySelector('button[aria-label]').focus()")
    page.press("Enter", 13, "\r")
    eventually(lambda: settled(page, "No other device is signed in."), 10, what="the phone is gone from the list")
    assert is_out(own, phone) and not is_out(own, desk)


def test_a_page_of_another_origin_cannot_press_the_buttons(browser, own):
    """From the same host on another port: the cookie goes along, since cookies know no ports."""
    desk = own.log_in("bob")["accesstoken"]
    other = own.log_in("bob")["accesstoken"]
    proof = Page(own, desk).proof
    profile = browser.profile()
    opened(browser, own, desk, profile=profile)
    foreign = browser.open(f"http://127.0.0.1:{own.swingmusic.port}/", width=390, profile=profile)
    foreign.evaluate(f"""
        document.body.innerHTML = `<form method="post" action="http://127.0.0.1:{own.nginx.port}{PAGE}">
            <input name="proof" value="{proof}"><input name="action" value="end-others"></form>`;
        window.isOld = true;
        document.querySelector('form').submit()
    """)
    eventually(lambda: settled(foreign, "Not done"), 10, what="the form was refused")
    assert not is_out(own, other)
