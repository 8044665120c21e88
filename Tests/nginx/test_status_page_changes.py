"""Getting into the status page with the admin token, and what its buttons do: through the real program, in a real browser, and by who must not."""

import json
import re
import sqlite3

import pytest

from harness import http
from harness.accessibility import has_checker, violations
from harness.browser import Browser, chromium
from harness.consent import connect
from harness.house import ADMIN, House, track
from harness.household import Household
from harness.keys import made_key, token_of
from harness.musicserver import MusicServer
from harness.nginx import Nginx
from harness.responder import ADMIN_TOKEN
from harness.standin import spotify_id
from harness.waiting import eventually

PAGE = "/swingmusic-fcgi/"
COOKIE = "swingmusic-fcgi-admin"
#: What somebody calls their songs, devices and themselves.
HOSTILE = "<img src=x onerror=\"window.ran=1\">'&</script><script>window.ran=1</script>"

#: Every change of the page's, with what it wants.
CHANGES = {"sign-out": {}, "end-session": {"session": "x"}, "revoke-key": {"name": "x"}, "renew": {"name": "track/x"}, "evict": {"name": "track/x"},
           "search": {"words": "x"}, "searches": {}}

needs_chromium = pytest.mark.skipif(chromium() is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def browser():
    with Browser() as opened:
        yield opened


def own_origin(house):
    return f"http://127.0.0.1:{house.port}"


def sign_in(house, token=ADMIN_TOKEN, **headers):
    return house.post(PAGE + "page/sign-in", {"token": token}, {"Origin": own_origin(house), **headers})


def cookie_of(answer):
    """Name and value of the cookie that is set, and its attributes."""
    first, *rest = (part.strip() for part in answer.headers["set-cookie"].split(";"))
    return first, set(rest)


def change(house, deed, cookie, proof, origin="own", **more):
    headers = {"Cookie": cookie} if cookie else {}
    if origin:
        headers["Origin"] = own_origin(house) if origin == "own" else origin
    return house.post(PAGE + f"page/{deed}", {**CHANGES.get(deed, {}), **more, **({"proof": proof} if proof else {})}, headers)


def proof_of(house, cookie):
    return house.get(PAGE + "page/now.json", {"Cookie": cookie}).json()["proof"]


# Getting in.

def test_the_admin_token_gives_a_session_of_twelve_hours_that_opens_the_page_alone(new_house):
    house = new_house("sign-in", workers=3)
    answer = sign_in(house)
    assert answer.status == 204, answer
    cookie, attributes = cookie_of(answer)
    assert re.fullmatch(COOKIE + "=[0-9a-f]{64}", cookie)
    assert attributes == {"Path=/swingmusic-fcgi/", "Max-Age=43200", "HttpOnly", "SameSite=Strict"}
    headers = {"Cookie": f"other=1; {cookie}"}
    for path in ("status.json", "history.json", "page/now.json"):
        assert all(house.get(PAGE + path, headers).status == 200 for _ in range(6)), "every worker knows it"
    for path in ("/cache/temp", "/dragonfly/services", PAGE + "metrics"):
        assert house.get(path, headers).status == 401
    # Kept by a code: the id stands nowhere.
    kept = house.sandbox.path("data", "admins.shared").read_bytes()
    id = cookie.partition("=")[2]
    assert id.encode() not in kept and bytes.fromhex(id) not in kept
    assert house.sandbox.path("data", "admins.shared").stat().st_mode & 0o077 == 0
    assert ADMIN_TOKEN not in house.responder.log() and id not in house.responder.log()
    assert "security: administrator signed in address=127.0.0.1" in house.responder.log()


def test_it_outlives_a_restart_and_ends_by_signing_out_and_with_another_admin_token(new_house):
    house = new_house("sign-out", workers=2)
    first, second = (cookie_of(sign_in(house))[0] for _ in range(2))

    def status(cookie):
        return house.get(PAGE + "status.json", {"Cookie": cookie}).status
    house.responder.restart()
    assert (status(first), status(second)) == (200, 200)
    answer = change(house, "sign-out", first, proof_of(house, first))
    assert answer.status == 204
    cleared, attributes = cookie_of(answer)
    assert cleared == COOKIE + "=" and "Max-Age=0" in attributes
    assert (status(first), status(second)) == (401, 200)
    house.responder.restart(SWINGMUSIC_FCGI_ADMIN_TOKEN="another-" + ADMIN_TOKEN)
    assert status(second) == 401


@pytest.mark.parametrize("public_url", [None, "https://music.example"])
def test_under_https_no_other_host_can_set_the_cookie(new_house, public_url):
    house = new_house("https", workers=1, SWINGMUSIC_FCGI_PUBLIC_URL=public_url)
    more = {"Origin": "https://music.example", "Host": "music.example", "X-Forwarded-Proto": "https"}
    if public_url:
        del more["X-Forwarded-Proto"]
    answer = sign_in(house, **more)
    assert answer.status == 204, answer
    cookie, attributes = cookie_of(answer)
    assert cookie.startswith("__Host-" + COOKIE + "=")
    assert attributes == {"Path=/", "Secure", "Max-Age=43200", "HttpOnly", "SameSite=Strict"}
    assert house.get(PAGE + "status.json", {"Cookie": cookie}).status == 200


def test_wrong_tokens_are_throttled(new_house):
    house = new_house("guesses", workers=2)
    assert [sign_in(house, f"wrong-{n}").status for n in range(10)] == [401] * 10
    answer = sign_in(house)
    assert answer.status == 429 and int(answer.headers["retry-after"]) <= 60 and "set-cookie" not in answer.headers


def test_without_an_admin_token_nobody_signs_in_so(new_house):
    house = new_house("no-token", workers=1, SWINGMUSIC_FCGI_ADMIN_TOKEN=None)
    answer = sign_in(house)
    assert answer.status == 404 and "SWINGMUSIC_FCGI_ADMIN_TOKEN" in answer.json()["error"]


# Who must not.

def test_no_other_origin_makes_a_change(new_house):
    house = new_house("origins", workers=1)
    cookie, _ = cookie_of(sign_in(house))
    proof = proof_of(house, cookie)
    for origin in (None, "null", "http://127.0.0.1:1", f"http://localhost:{house.port}", f"https://127.0.0.1:{house.port}", "http://127.0.0.1",
                   f"http://sub.127.0.0.1:{house.port}", f"http://127.0.0.1:{house.port}.evil.example"):
        for deed in CHANGES:
            assert change(house, deed, cookie, proof, origin).status == 403, (origin, deed)
        headers = {"Origin": origin} if origin else {}
        assert house.post(PAGE + "page/sign-in", {"token": ADMIN_TOKEN}, headers).status == 403
    assert house.get(PAGE + "status.json", {"Cookie": cookie}).status == 200, "it is still signed in"


def test_no_change_without_the_page_s_proof(new_house):
    house = new_house("proofs", workers=1)
    cookie, other = (cookie_of(sign_in(house))[0] for _ in range(2))
    proof = proof_of(house, other)
    assert proof != proof_of(house, cookie)
    for deed in CHANGES:
        for wrong in (None, "", "x", "0" * 64, proof):
            assert change(house, deed, cookie, wrong).status == 400, (deed, wrong)
        assert change(house, deed, None, proof).status == 401
        assert house.get(PAGE + f"page/{deed}", {"Cookie": cookie}).status == 405


@pytest.mark.parametrize("origins", [None, "*", "https://player.example"])
def test_no_other_page_reads_what_the_page_reads(new_house, origins):
    house = new_house("readers", workers=1, SWINGMUSIC_FCGI_CORS_ORIGINS=origins)
    cookie, _ = cookie_of(sign_in(house))
    for origin in ("https://player.example", "http://sub.127.0.0.1:1", "http://127.0.0.1:1"):
        answer = house.get(PAGE + "page/now.json", {"Cookie": cookie, "Origin": origin})
        assert "access-control-allow-origin" not in answer.headers and "access-control-allow-credentials" not in answer.headers
    asked = {"Origin": "https://player.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in house.request("OPTIONS", PAGE + "page/evict", asked).headers


@needs_chromium
@pytest.mark.parametrize("host, other", [("127.0.0.1", "127.0.0.1"), ("music.home.localhost", "evil.home.localhost"), ("127.0.0.1", "evil.localhost")],
                         ids=["another port", "another sub-domain", "another site"])
def test_a_page_of_another_origin_can_neither_read_nor_change(browser, new_house, host, other):
    """Another port, or another host of the same site: a browser sends the cookie there, SameSite or not."""
    house = new_house("another-origin", workers=1)
    foreign = MusicServer(house.sandbox)
    profile, own = browser.profile(), f"http://{host}:{house.port}"
    cookie, _ = cookie_of(sign_in(house))
    name, _, value = cookie.partition("=")
    mine = browser.open(own + PAGE + "status", profile=profile, cookies={name: value})
    eventually(lambda: mine.evaluate("document.getElementById('badge').textContent") == "ok", 10, what="the cookie is good for the page itself")
    page = browser.open(f"http://{other}:{foreign.port}/", profile=profile)
    [path] = house.fill()
    known = path.rpartition("/")[2]
    for file in ("status.json", "history.json", "page/now.json"):
        for mode in ("cors", "no-cors"):
            read = page.evaluate(f"""fetch('{own}{PAGE}{file}', {{credentials: 'include', mode: '{mode}'}}).then(a => a.text()).catch(() => '')""")
            assert read == "", (file, mode)
    deed = json.dumps({"name": f"track/{known}", "proof": proof_of(house, cookie)})
    for kind in ("text/plain", "application/json"):
        page.evaluate(f"""fetch('{own}{PAGE}page/evict', {{method: 'POST', credentials: 'include', mode: '{"cors" if kind.endswith("json") else "no-cors"}',
            headers: {{'Content-Type': '{kind}'}}, body: {json.dumps(deed)}}}).then(() => 1).catch(() => 0)""")
    assert house.get(path).headers["cache-status"].startswith("swingmusic-fcgi; hit")
    framed = page.evaluate(f"""new Promise(done => {{
        const frame = document.createElement('iframe');
        frame.onload = () => done((() => {{ try {{ return frame.contentDocument?.body.innerText ?? 'closed'; }} catch {{ return 'closed'; }} }})());
        frame.src = '{own}{PAGE}status';
        document.body.append(frame);
    }})""")
    assert framed == "closed"
    # With the same proof the page itself may.
    assert change(house, "evict", cookie, proof_of(house, cookie), name=f"track/{known}").status == 204


def test_swingmusic_sees_nothing_of_the_cookie(new_house):
    house = new_house("cookie-away", workers=1)
    music = MusicServer(house.sandbox)
    nginx = Nginx(house.sandbox, house.responder.address, swingmusic=music.port, edit=lambda folder: (
        folder / "site/swingmusic.conf").write_text("include swingmusic-fcgi/unguarded.conf;\n")).start()
    id = "0" * 64
    for sent, seen in [
        (f"__Host-{COOKIE}={id}", None), (f"a=1; __Host-{COOKIE}={id}", "a=1;"), (f"__Host-{COOKIE}={id}; b=2", "b=2"),
        (f"a=1; {COOKIE}={id}; __Host-{COOKIE}={id}; b=2", "a=1;b=2"), (f"a=1;{COOKIE.upper()}={id};b=2", "a=1;b=2"),
        ("; ".join([f"{COOKIE}={id}"] * 3), None), ("a=1; access_token_cookie=x", "a=1; access_token_cookie=x"),
    ]:
        for path in ("/", "/folder", "/file/x", "/img/x.webp"):
            assert http.request(nginx.port, "GET", path, [("Cookie", sent)]).status == 200
            assert music.requests[-1]["headers"].get("cookie") == seen, (sent, path)


# In the browser.

def opened(browser, house, port=None, **more):
    page = browser.open(f"http://127.0.0.1:{port or house.port}{PAGE}status", **more)
    eventually(lambda: page.evaluate("document.getElementById('badge').textContent") != "looking", 10, what="the page has looked once")
    return page


def text(page, place="body"):
    return page.evaluate(f"document.querySelector('{place}').innerText")


def press(page, label):
    """Presses the button of that name, which must be the only one."""
    found = page.evaluate(f"""(() => {{
        const all = [...document.querySelectorAll('button')].filter(b => b.checkVisibility() && (b.ariaLabel ?? b.textContent) === {json.dumps(label)});
        if (all.length === 1) all[0].click();
        return all.length;
    }})()""")
    assert found == 1, (found, label, text(page))


def said(page, words):
    eventually(lambda: words in text(page, "#said"), 10, what=f"the page says: {words}")


def logged(house, words):
    """The line of the log with these words."""
    [line] = [line for line in house.responder.log().splitlines() if words in line]
    return line


@needs_chromium
def test_a_browser_gets_in_with_the_token_and_out_again(browser, new_house):
    house = new_house("browser", workers=2)
    page = opened(browser, house, profile=browser.profile())
    assert page.evaluate("document.querySelector('#token').labels[0].textContent").startswith("Admin token")
    enter = "document.getElementById('token').value = '%s'; document.querySelector('#signIn button').click()"
    page.evaluate(enter % "wrong")
    eventually(lambda: "That is not the admin token" in text(page, "#signInSaid"), 5, what="a wrong token is refused")
    page.evaluate(enter % ADMIN_TOKEN)
    eventually(lambda: page.evaluate("document.getElementById('badge').textContent") == "ok", 5, what="the figures are there")
    assert page.evaluate("document.cookie") == "" and page.evaluate("document.getElementById('token').value") == ""
    eventually(lambda: "Nothing waits." in text(page), 5, what="what is going on is there, too")
    if has_checker():
        assert violations(page) == []
    press(page, "Sign out")
    eventually(lambda: "not signed in" in text(page), 5, what="it is signed out")
    assert "Nothing waits." not in text(page)
    assert "address=127.0.0.1" in logged(house, "security: administrator signed out")


@needs_chromium
def test_records_are_found_renewed_and_removed(browser, new_house):
    house = new_house("records", workers=2)
    [path] = house.fill(1, "wanted")
    name = house.get(path).json()["name"]
    id = path.rpartition("/")[2]
    page = opened(browser, house, headers=ADMIN)
    eventually(lambda: name in text(page, "#lookups"), 10, what="what was looked up last has its name")
    page.evaluate(f"document.getElementById('words').value = '{id}'; document.querySelector('#search button').click()")
    eventually(lambda: name in text(page, "#found"), 10, what="the record is found")
    assert "by=the admin token" in logged(house, "the records were searched")
    label = page.evaluate("document.querySelector('#found button').ariaLabel").removeprefix("Renew ")
    before = house.standin.last_number()
    page.evaluate("document.querySelector('#found button').click()")
    said(page, "is fetched anew")
    house.standin.await_call(id, since=before)
    assert "by=the admin token" in logged(house, "a record is fetched anew")
    assert f"record=track/{id}" in logged(house, "a record is fetched anew")
    page.evaluate("document.querySelectorAll('#found button')[1].click()")
    eventually(lambda: page.evaluate("document.getElementById('confirm').open"), 2, what="it is asked first")
    assert label in text(page, "#confirmWords")
    press(page, "Leave it")
    assert house.get(path).headers["cache-status"].startswith("swingmusic-fcgi; hit")
    page.evaluate("document.querySelectorAll('#found button')[1].click()")
    press(page, "Remove it")
    said(page, "was removed")
    house.standin.fail({"behaviour": "hang"})
    assert house.get(path, {"Prefer": "wait=1"}).headers["cache-status"] == "swingmusic-fcgi; fwd=miss"
    assert f"record=track/{id}" in logged(house, "a record was removed")


@needs_chromium
def test_what_waits_and_what_failed_is_shown_and_what_was_typed_only_to_who_asks(browser, new_house):
    house = new_house("waits", workers=1, SWINGMUSIC_FCGI_MISS_WAIT="1s", SPOTIFY_MIN_INTERVAL="50ms")
    missing = spotify_id("missing")
    house.standin.fail({"path": missing, "behaviour": "status", "status": 404}, {"behaviour": "hang"})
    assert house.get(f"/spotify/v1/tracks/{missing}").status == 404
    house.at_once(["/spotify/v1/search?q=secret%20longing&type=track", track("waits-1"), track("waits-2")])
    page = opened(browser, house, headers=ADMIN)
    eventually(lambda: "not found" in text(page, "#lookups") and "a search" in text(page, "#waiting"), 10, what="the page shows both")
    assert re.search(r"track, somebody waits for \d+ s|track, nobody waits any more for \d+ s", text(page, "#waiting")), text(page, "#waiting")
    assert missing in text(page, "#lookups") and spotify_id("waits-1") in text(page, "#waiting")
    assert "secret" not in page.evaluate("document.documentElement.outerHTML") and "secret" not in house.responder.log()
    now = house.admin("GET", PAGE + "page/now.json")
    assert b"secret" not in now.body and b"longing" not in now.body
    press(page, "Show what is searched for")
    press(page, "Show it")
    eventually(lambda: "secret longing" in text(page, "#searches"), 5, what="the words are shown")
    assert "by=the admin token" in logged(house, "the words of waiting searches were shown")
    assert "secret" not in house.responder.log()


@needs_chromium
def test_sessions_are_ended_and_names_with_markup_do_nothing(browser):
    with Household("people", workers=2) as own:
        own.swingmusic.execute("UPDATE user SET username = ? WHERE id = 2", HOSTILE)
        admin = own.log_in("admin")["accesstoken"]
        phone = own.log_in(HOSTILE, "bobpw")["accesstoken"]
        own.ask("GET", "/auth/sessions", cookie=phone, headers={"User-Agent": HOSTILE})
        page = opened(browser, own, port=own.nginx.port, profile=browser.profile(), cookies={"access_token_cookie": admin})
        eventually(lambda: HOSTILE in text(page, "#people"), 10, what="everybody is shown")
        assert page.evaluate("window.ran ?? 0") == 0 and page.evaluate("document.querySelectorAll('#people img, #people script').length") == 0
        assert page.messages() == []
        button = page.evaluate("""[...document.querySelectorAll('#people button')].map(b => b.ariaLabel).find(label => label.includes('<img'))""")
        press(page, button)
        assert own.ask("GET", "/auth/user", bearer=phone).status == 200
        press(page, "End it")
        said(page, "has ended")
        assert own.everywhere(phone) == {401}
        assert "by=user 1" in [line for line in own.responder.log().splitlines() if "security: session ended" in line][0]
        assert own.ask("GET", "/auth/user", bearer=admin).status == 200
        # Who is no admin is told so.
        bob = own.log_in("carol")["accesstoken"]
        other = opened(browser, own, port=own.nginx.port, profile=browser.profile(), cookies={"access_token_cookie": bob})
        assert "not as an admin" in text(other)
        assert own.ask("GET", PAGE + "page/now.json", bearer=bob).status == 403


@needs_chromium
def test_a_clients_key_is_ended_and_the_log_says_by_whom(browser):
    with Household("end-key", workers=2, SWINGMUSIC_FCGI_METADATA_AUTH="session") as own:
        tokens = {name: token_of(own, *made_key(own, name)) for name in ("kitchen", "car")}

        def statuses(name):
            answers = http.at_once(own.nginx.port, [track("known")] * 12, headers={"Authorization": f"Bearer {tokens[name]}"})
            return {answer.status for answer in answers}
        assert statuses("kitchen") == statuses("car") == {503}, "both are let in; there are no credentials for Spotify here"
        admin = own.log_in("admin")["accesstoken"]
        page = opened(browser, own, port=own.nginx.port, profile=browser.profile(), cookies={"access_token_cookie": admin})
        eventually(lambda: "kitchen" in text(page, "#keys") and "car" in text(page, "#keys"), 10, what="the keys are shown")
        press(page, "End the key kitchen")
        press(page, "Leave it")
        assert statuses("kitchen") == {503}
        press(page, "End the key kitchen")
        press(page, "End it")
        said(page, "The key kitchen has ended.")
        assert (statuses("kitchen"), statuses("car")) == ({401}, {503})
        eventually(lambda: "kitchen" not in text(page, "#keys"), 10, what="it is shown no more")
        [line] = [line for line in own.responder.log().splitlines() if "key" in line and "kitchen" in line and "security: key revoked" in line]
        assert "by=user 1" in line and tokens["kitchen"] not in own.responder.log()
        # No key can be called so; what is written there by others is text.
        with sqlite3.connect(own.sandbox.path("data", "sessions.db"), timeout=10) as database:
            assert database.execute("UPDATE clientKey SET name = ?", [HOSTILE]).rowcount == 1
        eventually(lambda: HOSTILE in text(page, "#keys"), 10, what="it is shown as it is")
        assert page.evaluate("window.ran ?? 0") == 0 and page.evaluate("document.querySelectorAll('#keys img, #keys script').length") == 0


@needs_chromium
def test_the_connected_account_its_end_and_what_to_do_are_shown(browser, new_house):
    house = new_house("account", workers=2, mode="development")
    page = opened(browser, house, headers=ADMIN)
    eventually(lambda: "none. `swingmusic-fcgi connect`" in text(page, "#account"), 10, what="there is no account")
    connect(house)
    [playlist] = house.standin.ids("playlist", 1, reader="user7", more_than=20)
    eventually(lambda: "its name is not known yet" in text(page, "#account"), 10, what="one is connected")
    house.get(f"/spotify/v1/playlists/{playlist}")
    account = house.admin("GET", PAGE + "status.json").json()["account"]
    months = (account["endsAt"] - account["consentedAt"]) / 86_400_000
    assert 181 <= months <= 184 and not account["isEnding"] and not account["isPrivate"] and "endReason" not in account

    def shown(name):
        return page.evaluate(f"""[...document.querySelectorAll('#account tr')].find(row => row.cells[0].textContent === '{name}')?.cells[1].innerText""")

    def instants():
        times = page.evaluate("[...document.querySelectorAll('#account time')].map(time => Date.parse(time.dateTime))")
        return times[:2]
    owner = house.get(f"/spotify/v1/playlists/{playlist}").json()["owner"]["display_name"]
    eventually(lambda: shown("connected account") == owner, 10, what="it is called as its owner is")
    assert house.admin("GET", PAGE + "status.json").json()["account"]["owner"] == owner
    assert shown("connected since") and shown("its consent").startswith("ends ")
    assert instants() == [account["consentedAt"], account["endsAt"]]
    assert shown("what to do") is None and shown("lists that are not public") == "not asked for"
    # Five months and some days ago.
    sealed = house.sandbox.path("data", "account.sealed")
    held = json.loads(sealed.read_text())
    sealed.write_text(json.dumps({**held, "consentedAt": held["consentedAt"] - 160 * 86_400_000}))
    eventually(lambda: "connect` once more before that" in (shown("what to do") or ""), 10, what="what to do a month ahead")
    sealed.write_text(json.dumps({"consentedAt": held["consentedAt"], "ended": HOSTILE}))
    eventually(lambda: shown("its consent") == f"has ended: {HOSTILE}", 10, what="why it has ended")
    assert "or `swingmusic-fcgi disconnect`" in shown("what to do") and page.evaluate("window.ran ?? 0") == 0


@needs_chromium
@pytest.mark.parametrize("covers", ["off", "on"])
def test_titles_with_markup_do_nothing_and_covers_are_off_unless_they_are_allowed(browser, new_house, covers):
    house = new_house("markup", workers=1, SWINGMUSIC_FCGI_STATUS_COVERS=covers)
    id = spotify_id("markup")
    picture = {"url": "https://i.scdn.co/image/ab67616d0000485100000000", "width": 64, "height": 64}
    found = {"id": id, "name": HOSTILE, "type": "track", "uri": f"spotify:track:{id}", "artists": [{"name": HOSTILE}], "album": {"images": [picture]}}
    house.standin.fail({"path": id, "behaviour": "status", "status": 200, "body": json.dumps(found)})
    assert house.get(f"/spotify/v1/tracks/{id}").status == 200
    page = opened(browser, house, headers=ADMIN)
    eventually(lambda: HOSTILE in text(page, "#lookups"), 10, what="the title is shown as it is")
    assert page.evaluate("window.ran ?? 0") == 0
    pictures = page.evaluate("[...document.querySelectorAll('#lookups img')].map(image => image.src)")
    assert pictures == ([picture["url"]] if covers == "on" else [])
    policy = house.get(PAGE + "status").headers["content-security-policy"]
    assert ("https://i.scdn.co" in policy) == (covers == "on")
    assert ("are on: your browser fetches them" if covers == "on" else "so that this page tells Spotify nothing") in text(page, "#coversWords")
    assert [message for message in page.messages() if "Content Security Policy" in str(message)] == []
