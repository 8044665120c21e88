"""A family's browser before the real swingmusic: from the first run on an empty folder to swingmusic's going and coming back.

Each test drives a Chromium of its own through nginx, and ends with a look into its console: what stands there and is not in
`screen.EXPECTED` fails it."""

import sqlite3

import pytest

import music
import screen
from harness.sandbox import Sandbox
from harness.waiting import eventually
from house import Site, credentials
from screen import EXPECTED, Screen

pytestmark = pytest.mark.skipif(bool(screen.why_not()) or not music.is_possible(), reason=screen.why_not() or music.MISSING)

ADMIN, PASSWORD = "ada", "a long password"


class Home(Site):
    """The program and nginx are there before swingmusic has ever been started: not even its folder is."""

    def __init__(self, sandbox):
        super().__init__(sandbox)
        self.songs = music.make_songs(self.swingmusic.music)
        assert not self.swingmusic.parent.exists()
        self.responder.start()
        self.nginx.start()
        self.address = f"http://127.0.0.1:{self.nginx.port}"

    def screen(self, address=None):
        return Screen(address or self.address)

    def pass_for(self, name=ADMIN, password=PASSWORD):
        answer = self.post("/auth/login", {"username": name, "password": password})
        assert answer.status == 200, answer
        return answer.json()["accesstoken"]

    def database(self):
        return sqlite3.connect(f"file:{self.swingmusic.folder / 'swingmusic.db'}?mode=ro", uri=True)


def lead_through_first_run(home, page, address=None):
    """The client's own first steps, as an administrator takes them."""
    page.open()
    page.await_shown("#account")
    page.picture("first-run-account")
    page.fill("#account", username=ADMIN, password=PASSWORD)
    page.await_shown("#folders")
    assert page.find("#userhome").text, "swingmusic's answer, with the home folder, came through"
    page.fill("#folders", folder=str(home.swingmusic.music))
    page.await_shown("#app", 60)
    await_songs(home, page)


def await_songs(home, page):
    """Until swingmusic has read its songs, as one who comes back to the home page from time to time sees it."""
    def listed():
        page.go("search")
        page.go("home")
        return len(page.all("#songs .song")) == len(home.songs)
    eventually(listed, 60, 1, what="the songs are listed")


@pytest.fixture(scope="module")
def home():
    with Sandbox("home") as sandbox:
        home = Home(sandbox)
        with home.screen() as page:
            # There is no swingmusic yet, and nginx says so.
            assert home.get("/").status == 502 and home.get("/auth/user").status in (401, 503)
            home.swingmusic.start()
            lead_through_first_run(home, page)
            home.first_run = page.complaints()
            home.first_hosts = page.hosts()
            page.picture("first-run-home")
        yield home


@pytest.fixture
def page(home):
    """A browser that knows nobody; what it complains of must be explained."""
    with home.screen() as opened:
        yield opened
        assert opened.unexplained() == []


@pytest.fixture
def signed_in(home, page):
    page.log_in(ADMIN, PASSWORD)
    return page


def pictures(page, selector):
    """Their sizes as they came; 0 for one that did not."""
    eventually(lambda: page.run("return [...document.querySelectorAll(arguments[0])].every(image => image.complete)", selector), 20, 0.1)
    return page.run("return [...document.querySelectorAll(arguments[0])].map(image => image.naturalWidth)", selector)


def test_the_first_run_leads_from_an_empty_folder_to_the_songs(home):
    assert [each for each in home.first_run if each not in EXPECTED] == []
    with home.database() as database:
        assert database.execute("SELECT username, roles FROM user").fetchall() == [(ADMIN, '["admin"]')]


def test_nothing_is_loaded_from_the_internet(home, signed_in):
    for name in ("search", "settings", "accounts", "pairing", "home"):
        signed_in.go(name)
    assert home.first_hosts | signed_in.hosts() == {f"127.0.0.1:{home.nginx.port}"}


def test_one_signs_in_and_sees_the_home_page_with_covers(home, signed_in):
    assert signed_in.find("#who").text == ADMIN
    assert signed_in.run("return document.getElementById('home').dataset.status") == "200"
    assert {line.text for line in signed_in.all("#songs .song button")} == set(home.songs)
    covers = pictures(signed_in, "#cards img")
    assert len(covers) == 3 and all(width > 100 for width in covers), covers
    assert all(width > 0 for width in pictures(signed_in, "#songs img"))
    signed_in.picture("home")


def test_events_arrive_in_the_signed_in_browser(signed_in):
    eventually(lambda: signed_in.run("return document.body.dataset.events") == "connected", 30, 0.2, what="the stream of events is open")


def test_a_wrong_password_is_said_to_be_one(home, page):
    page.open()
    page.fill("#credentials", username=ADMIN, password="a wrong one")
    page.await_text("#toast", "invalid password")
    assert page.token() is None


def test_a_search_finds_songs(home, signed_in):
    signed_in.go("search")
    signed_in.fill("#query", q="noon song")
    eventually(lambda: len(signed_in.all("#results .song")) >= 4, 20, 0.1, what="something is found")
    assert {f"Noon song {number}" for number in range(1, 5)} <= {line.text for line in signed_in.all("#results .song button")}
    signed_in.picture("search")


def player(page):
    return page.run("const audio = document.getElementById('source-0'); return {at: audio.currentTime, paused: audio.paused, "
                    "length: audio.duration, error: audio.error?.message ?? null}")


@pytest.mark.parametrize("title", ["Morning song 2", "Noon song 3"])
def test_a_song_plays_and_can_be_moved_in(signed_in, title):
    """The clock of <audio> goes on by what was decoded: after a move, from the place that was asked for by a range."""
    signed_in.asked()
    next(line for line in signed_in.all("#songs .song button") if line.text == title).click()
    eventually(lambda: player(signed_in)["at"] > 1, 20, 0.1, what="it plays")
    assert abs(player(signed_in)["length"] - music.LENGTH) < 1
    assert pictures(signed_in, "#cover") == [600] or pictures(signed_in, "#cover")[0] > 300
    signed_in.run("const seek = document.getElementById('seek'); seek.value = 800; seek.oninput({target: seek})")
    eventually(lambda: player(signed_in)["at"] > 0.8 * music.LENGTH + 1, 20, 0.1, what="it plays from where it was moved to")
    signed_in.click("#pause")
    stopped = player(signed_in)
    assert stopped["paused"] and stopped["error"] is None
    screen.settle(0.5)
    assert player(signed_in)["at"] == stopped["at"]
    asked = [(status, headers.get("range")) for path, status, headers in signed_in.asked() if path.endswith("/legacy")]
    assert asked and {status for status, _ in asked} == {206} and all(wanted for _, wanted in asked), asked
    assert "starting_file" in signed_in.run("return document.body.dataset.silence")
    signed_in.picture(f"playing-{title.split()[0].lower()}")


def test_settings_are_kept(home, signed_in):
    """By swingmusic's own word: in its first run it writes to its file only when it is restarted."""
    for wanted in (False, True):
        signed_in.go("settings")
        assert signed_in.find("#roots").text == str(home.swingmusic.music)
        if signed_in.find("#setting input").is_selected() != wanted:
            signed_in.click("#setting input")
        signed_in.click("#setting button")
        signed_in.await_text("#toast", f"Saved: {str(wanted).lower()}")
        assert home.get("/notsettings", home.pass_for()).json()["usersOnLogin"] is wanted
        signed_in.go("home")
    signed_in.go("settings")
    assert signed_in.find("#setting input").is_selected()
    signed_in.picture("settings")


def test_users_and_a_guest_are_added_and_the_guest_comes_in_by_a_click(home, signed_in):
    signed_in.go("accounts")
    signed_in.fill("#newuser", username="ben", password="ben's password")
    signed_in.await_text("#users", "ben")
    signed_in.click("#guest")
    signed_in.await_text("#users", "guest")
    signed_in.picture("accounts")
    with home.screen() as other:
        other.open()
        other.await_shown(".face")
        other.picture("login")
        next(face for face in other.all(".face") if face.text == "guest").click()
        other.await_home()
        assert other.find("#who").text == "guest" and len(other.all("#songs .song")) == len(home.songs)
        assert other.unexplained() == []
    assert home.pass_for("ben", "ben's password")


def test_a_phone_is_paired_by_the_code_that_the_browser_shows(home, signed_in):
    signed_in.go("pairing")
    code = signed_in.find("#code").text
    signed_in.picture("pairing")
    paired = home.get(f"/auth/pair?code={code}")
    assert paired.status == 200 and home.get("/auth/user", paired.json()["accesstoken"]).json()["username"] == ADMIN
    assert home.get(f"/auth/pair?code={code}").status == 400, "a code is good once"


def test_who_logs_out_is_out_everywhere(home, signed_in):
    token = signed_in.token()
    assert home.get("/nothome/?limit=9", token).status == 200
    signed_in.click("#logout")
    signed_in.await_shown("#login")
    assert signed_in.token() is None
    for path in ("/auth/user", "/nothome/?limit=9"):
        assert home.get(path, token).status == 401


def test_a_changed_password_is_the_only_good_one_and_ends_the_other_sessions(home, signed_in):
    home.post("/auth/profile/create", {"username": "cleo", "password": "the first password"}, home.pass_for())
    elsewhere = home.pass_for("cleo", "the first password")
    signed_in.click("#logout")
    signed_in.await_shown("#login")
    signed_in.log_in("cleo", "the first password")
    signed_in.go("accounts")
    signed_in.fill("#newpassword", password="the second password")
    signed_in.await_text("#toast", "Password changed")
    assert home.post("/auth/login", {"username": "cleo", "password": "the first password"}).status == 401
    assert home.pass_for("cleo", "the second password")
    assert home.get("/nothome/?limit=9", elsewhere).status == 401


def test_tokens_are_good_both_ways(home, page):
    ours = home.pass_for()
    assert home.swingmusic.ask("GET", "/nothome/?limit=9", credentials(cookie=ours)).status == 200, "one of ours, asked past us"
    assert home.post("/auth/profile/create", {"username": "dora", "password": "dora's password"}, ours).status == 200

    def made_by_swingmusic(name, password):
        return home.post("/auth/login", {"username": name, "password": password}, port=home.swingmusic.port).json()["accesstoken"]
    theirs = made_by_swingmusic("dora", "dora's password")
    page.open("/favicon.ico", started=False)
    page.driver.add_cookie({"name": "access_token_cookie", "value": theirs, "httpOnly": True})
    page.open()
    page.await_home()
    assert page.find("#who").text == "dora" and page.token() == theirs
    # Of a user with an ended session none is.
    assert home.get("/auth/logout", theirs).status == 200
    assert home.get("/auth/user", made_by_swingmusic("dora", "dora's password")).json() == {"msg": "Token has been revoked"}


def test_swingmusic_goes_and_comes_back(home, signed_in):
    home.swingmusic.stop()
    try:
        answer = signed_in.run("return fetch('/nothome/?limit=9', {credentials: 'include'}).then(async answer => [answer.status, await answer.json()])")
        assert answer == [502, {"msg": "swingmusic does not answer"}]
        # Who is signed in is ours to say, and the worker has the page.
        assert signed_in.run("return fetch('/auth/user', {credentials: 'include'}).then(answer => answer.status)") == 200
        assert [each for each in signed_in.unexplained() if each != ("/nothome/", 502)] == []
        signed_in.forget_complaints()
    finally:
        home.swingmusic.start()
    signed_in.open()
    signed_in.await_home()
    assert signed_in.find("#who").text == ADMIN
    await_songs(home, signed_in)
    # What failed while swingmusic was still reading its songs is not what this is about.
    assert [each for each in signed_in.unexplained() if each[1] not in (502, 504)] == []
    signed_in.forget_complaints()


def test_what_the_console_may_hold_is_explained_by_what_happens_without_us_or_by_the_guard(home):
    """The same steps past nginx. The one thing that is ours is the guard's, and meant: a stream holds one of swingmusic's threads."""
    with home.screen(f"http://127.0.0.1:{home.swingmusic.port}") as alone:
        alone.open()
        alone.fill("#credentials", username=ADMIN, password="a wrong one")
        alone.await_text("#toast", "invalid password")
        seen = set(alone.complaints())
    assert seen <= set(EXPECTED) and set(EXPECTED) - seen == {("/events/stream", 401)}, seen
