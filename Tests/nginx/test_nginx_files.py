"""The files of nginx/: each is sound where its first lines say that it goes, and does there what it says. Mostly as Compose has them."""

import concurrent.futures
import json
import socket
import subprocess

import pytest

from harness import http
from harness.house import ADMIN
from harness.musicserver import SONG, MusicServer
from harness.nginx import Nginx
from harness.responder import Responder, spotify_settings
from harness.sandbox import REPOSITORY, Sandbox
from harness.standin import StandIn, spotify_id
from harness.swingmusic import Swingmusic
from harness.waiting import eventually

FOLDER = REPOSITORY / "nginx"
FILES = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.conf"))
JSON = {"Content-Type": "application/json"}


class Compose:
    """What docker-compose.yml starts, with the nginx files that it mounts."""

    def __init__(self, sandbox):
        self.folder = Swingmusic(sandbox)
        self.music = MusicServer(sandbox)
        settings = {"SWINGMUSIC_CONFIG_DIR": str(self.folder.folder), **spotify_settings(StandIn(sandbox).start())}
        self.responder = Responder(sandbox, settings, workers=2).start()
        self.nginx = Nginx(sandbox, self.responder.address, swingmusic=self.music.port, compose=True).start()
        self.admin, self.bob = self.log_in("admin"), self.log_in("bob")

    def ask(self, method, path, token=None, headers=None, body=b"", cookie=None, **more):
        pairs = dict(headers or {})
        if token:
            pairs["Authorization"] = f"Bearer {token}"
        if cookie:
            pairs["Cookie"] = f"access_token_cookie={cookie}"
        return http.request(self.nginx.port, method, path, pairs, body, **more)

    def get(self, path, token=None, **more):
        return self.ask("GET", path, token, **more)

    def log_in(self, name):
        body = json.dumps({"username": name, "password": f"{name}pw"}).encode()
        answer = self.ask("POST", "/auth/login", headers=JSON, body=body)
        assert answer.status == 200, answer
        return answer.json()["accesstoken"]

    def reached(self, path, **more):
        """The status, and what swingmusic saw of it: a path, or None."""
        before = len(self.music.requests)
        status = self.get(path, **more).status
        after = self.music.requests[before:]
        return status, after[0]["path"] if after else None


@pytest.fixture(scope="module")
def compose():
    with Sandbox("compose") as sandbox:
        yield Compose(sandbox)


# Sound, and with a head.

@pytest.mark.parametrize("name", FILES)
def test_each_file_begins_with_where_it_goes_and_what_it_needs(name):
    head = []
    for line in (FOLDER / name).read_text().splitlines():
        if not line.startswith("#"):
            break
        head.append(line)
    text = " ".join(head)
    assert "nginx -e stderr" in text if name == "nginx.conf" else ("oes into" in text and "needs" in text), text


VARIANTS = {"as it is": {}, "with sessions": {"sessions": True}, "guarded": {"guarded": True},
            "extended": {"guarded": True, "server": ["include swingmusic-fcgi/extended.conf;"]},
            "Compose": {"compose": True, "swingmusic": 1970}}


@pytest.mark.parametrize("variant", VARIANTS)
def test_nginx_finds_every_configuration_sound(sandbox, variant):
    nginx = Nginx(sandbox, "/tmp/none.sock", **VARIANTS[variant])
    judged = subprocess.run([str(word) for word in nginx.command("-t")], capture_output=True, text=True, timeout=20)
    assert judged.returncode == 0 and "[warn]" not in judged.stderr, judged.stderr


NEEDED = {
    "upstream": ("http", ""), "credential": ("http", ""), "limits": ("http", "credential"), "songs": ("http", ""),
    "metadata": ("server", "upstream"), "spotify-host": ("server", "upstream"), "admin": ("server", "upstream"), "sessions": ("server", "upstream credential"),
    "swingmusic": ("server", "upstream credential limits songs sessions"), "unguarded": ("server", "credential limits songs"),
    "guard": ("location", "upstream credential sessions"), "guard-admin": ("location", "upstream credential sessions"),
    "pass": ("location", "upstream"), "request": ("location", ""), "identity": ("location", "upstream credential sessions"), "hand-on": ("location", "credential"),
    "proxy": ("location", ""), "open": ("location", "credential limits"), "song": ("location", "credential limits songs"),
    "events": ("location", "credential limits"), "events-full": ("location", ""),
    "extended": ("server", "upstream credential limits sessions"), "extended-open": ("location", "credential limits"),
    "worker": ("location", ""), "worker-lines": ("location", ""),
    "elsewhere": ("http", ""), "sessions-elsewhere": ("server", "elsewhere credential"), "question": ("location", "credential"),
    "metadata-elsewhere": ("server", "upstream elsewhere credential sessions-elsewhere"), "asked": ("location", "upstream elsewhere credential sessions-elsewhere"),
    "admin-elsewhere": ("server", "upstream elsewhere credential sessions-elsewhere"), "named": ("location", "upstream elsewhere credential sessions-elsewhere"),
    "away": ("server", ""), "search": ("server", "upstream"), "microcache": ("http", ""), "microcached": ("server", "upstream microcache"), "keep": ("location", "upstream microcache"),
}

#: What stands in the location before a file that does not include it itself.
BEFORE = {"asked": "include swingmusic-fcgi/pass.conf; ", "proxy": "include site/proxy.conf; ", "events-full": "", "hand-on": "", "worker": "", "worker-lines": ""}


def test_the_table_above_knows_every_include_file():
    assert {f"swingmusic-fcgi/{name}.conf" for name in NEEDED} == {name for name in FILES if name.startswith("swingmusic-fcgi/")}


@pytest.mark.parametrize("name", NEEDED)
def test_each_include_file_needs_in_a_server_of_ones_own_no_more_than_it_says(sandbox, name):
    needs = NEEDED[name][1].split()
    head = (FOLDER / f"swingmusic-fcgi/{name}.conf").read_text().partition("\n\n")[0]
    assert f"{NEEDED[name][0]} {{}}" in head or name == "hand-on"
    assert all(f"{need}.conf" in head for need in needs) or name in ("identity", "named")
    lines = {"http": "", "server": "", "location": ""}
    for each in dict.fromkeys([*needs, name]):
        lines[NEEDED[each][0]] += f"{BEFORE.get(each, '')}include swingmusic-fcgi/{each}.conf; "
    if name == "events":
        lines["server"] += "location @swingmusic_events_full { return 503; } "
    text = (f"events {{}} pid nginx.pid; http {{ client_body_temp_path a; proxy_temp_path b; fastcgi_temp_path c; scgi_temp_path d; "
            f"uwsgi_temp_path e; {lines['http']} server {{ listen 127.0.0.1:8080; {lines['server']} "
            f"location /mine/ {{ {lines['location']} }} }} }}")
    nginx = Nginx(sandbox, "/tmp/none.sock", edit=lambda folder: (folder / "nginx.conf").write_text(text))
    judged = subprocess.run([str(word) for word in nginx.command("-t")], capture_output=True, text=True, timeout=20)
    assert judged.returncode == 0, judged.stderr


def test_nginx_refuses_a_proxy_conf_of_before_and_says_what_is_twofold(sandbox):
    """Else redirects would go on naming a port that nobody listens on."""
    old = "proxy_pass http://127.0.0.1:1970;\nproxy_http_version 1.1;\nproxy_set_header Host $host;\nproxy_buffering off;\n"
    nginx = Nginx(sandbox, "/tmp/none.sock", guarded=True, edit=lambda folder: (folder / "site/proxy.conf").write_text(old))
    judged = subprocess.run([str(word) for word in nginx.command("-t")], capture_output=True, text=True, timeout=20)
    assert judged.returncode != 0 and "directive is duplicate in" in judged.stderr and "swingmusic-fcgi/proxy.conf" in judged.stderr


# Open is what swingmusic itself opens, and of that only where its pages and pictures are.

@pytest.mark.parametrize("path", [
    "/", "/index.html", "/favicon.ico", "/logo.svg", "/manifest.webmanifest", "/sw.js", "/workbox-1a2b3c4d.js", "/assets/index-DiwrgTda.js",
    "/assets/SFCompactDisplay-Bold.woff2", "/assets/index.css.gz", "/icons/settings.svg", "/workers/logtrack.js", "/pwa-192x192.png",
    "/img/thumbnail/1a2b3c.webp", "/img/thumbnail/small/1a2b3c.webp?pathhash=x", "/img/artist/medium/1a.jpg", "/img/playlist/1.webp",
    "/onboarding-data", "/?tab=1",
])
def test_a_browser_without_a_session_gets_the_client_and_its_pictures(compose, path):
    assert compose.reached(path) == (200, path)


@pytest.mark.parametrize("path", [
    "/folder", "/file/abc", "/file/abc/legacy", "/albums", "/search/?q=x", "/getall/albums?start=0", "/nothome/", "/unknown", "/unknown/x.py",
    "/notsettings/get-config", "/plugins/lyrics", "/backup/create", "/logger/track/log", "/img", "/img/", "/index", "/eventsource", "/documents",
    "/onboarding-data/", "/onboarding-data2", "/docs", "/docs/", "/docs/openapi.json", "/events", "/events/status", "/x.mp3", "/assets/x.flac", "/img/thumbnail/x.flac",
])
def test_everything_else_asks_for_a_session(compose, path):
    assert compose.reached(path) == (401, None)
    assert compose.reached(path, token="rubbish") == (401, None)
    for way in ({"token": compose.bob}, {"cookie": compose.bob}):
        status, seen = compose.reached(path, **way)
        assert status == 200 and seen == path


@pytest.mark.parametrize("path", [
    "/file/123.webp?filepath=/music/a.flac", "/file/x?.webp", "/file/x?filepath=/a.jpg", "/file/x.jpg", "/file/x.js/legacy", "/file/x/legacy.js",
    "/folder.jpg/../file/x", "/assets/../file/x", "/assets/..%2ffile/x.js", "/assets/%2e%2e/file/x.js", "/assets/%252e%252e/file/x.js",
    "/img/thumbnail/../../file/x.webp", "/img/thumbnail/..%2f..%2ffile%2fx.webp", "/docs/../file/x", "/docs/%2e%2e/file/x.webp",
    "/events/..;/file/x", "//file/x.webp", "/%66ile/x.webp", "/File/x.webp", "/file/x%00.webp", "/file/x.webp%0a", "/a.js%0a", "/a.js%3f", "/a.js/",
    "/a.js;x", "/file/x#/../../a.js", "/assets/a.js/../../file/x.js", "/a%2f..%2ffile/x.webp", "/assets/x%5c..%5cfile.js", "/img/../file/x.webp",
])
def test_no_trick_with_a_path_opens_what_is_guarded(compose, path):
    before = len(compose.music.requests)
    assert compose.get(path).status in (400, 401)
    assert len(compose.music.requests) == before


@pytest.mark.parametrize("path, sent", [
    ("/file/x/../../a.js", "/a.js"), ("/file/x.webp/%2e%2e/%2e%2e/sw.js?v=1", "/sw.js?v=1"), ("//assets//a.js", "/assets/a.js"),
    ("/albums/../onboarding-data", "/onboarding-data"), ("/x/../?a=b", "/?a=b"), ("/x%2f..%2f", "/"), ("/%61ssets/a.js", "/assets/a.js"), ("/file/x/../../img/artist/a.webp", "/img/artist/a.webp"),
])
def test_swingmusic_sees_an_open_path_only_in_the_form_that_was_found_open(compose, path, sent):
    assert compose.reached(path, token="revoked-or-not") == (200, sent)


def test_a_revoked_token_is_good_nowhere_and_a_good_one_is_handed_on_as_bearer(compose):
    token = compose.log_in("carol")
    assert compose.get("/folder", cookie=token).status == 200
    assert compose.music.requests[-1]["headers"]["authorization"] == f"Bearer {token}"
    assert "cookie" not in compose.music.requests[-1]["headers"]
    assert compose.ask("GET", "/auth/logout", cookie=token).status == 200
    for path in ("/folder", "/file/abc?filepath=x", "/file/abc.webp?filepath=x", "/plugins/lyrics"):
        assert compose.reached(path, cookie=token) == (401, None)
        assert compose.reached(path, token=token) == (401, None)


def test_a_token_does_not_go_along_to_the_clients_files(compose):
    assert compose.get("/assets/x.woff", token="revoked-or-not", cookie="revoked-or-not").status == 200
    assert not {"authorization", "cookie"} & set(compose.music.requests[-1]["headers"])


def test_onboarding_data_are_for_strangers_and_tell_users_more(compose):
    assert compose.get("/onboarding-data", cookie="revoked").status == 200
    stranger = compose.music.requests[-1]["headers"]
    assert "cookie" not in stranger and "authorization" not in stranger
    assert compose.get("/onboarding-data", cookie=compose.bob).status == 200
    assert compose.music.requests[-1]["headers"]["authorization"] == f"Bearer {compose.bob}"


def test_a_browsers_question_before_a_question_passes_without_a_token_and_takes_none_along(compose):
    assert compose.ask("OPTIONS", "/folder", headers={"Origin": "http://elsewhere"}, cookie="revoked").status == 200
    seen = compose.music.requests[-1]
    assert (seen["method"], seen["path"]) == ("OPTIONS", "/folder") and "cookie" not in seen["headers"]


def test_an_answer_of_swingmusics_own_is_passed_on_as_it_is(compose):
    answer = compose.get("/unwilling", compose.bob)
    assert (answer.status, answer.body) == (401, b"swingmusic's own")


def test_covers_are_for_users_as_well_where_their_guard_is_put_in_force(sandbox, compose):
    def put_in_force(folder):
        path = folder / "swingmusic-fcgi/swingmusic.conf"
        assert path.read_text().count("# include swingmusic-fcgi/guard.conf;") == 1
        path.write_text(path.read_text().replace("# include swingmusic-fcgi/guard.conf;", "include swingmusic-fcgi/guard.conf;"))

    nginx = Nginx(sandbox, compose.responder.address, swingmusic=compose.music.port, guarded=True, edit=put_in_force).start()
    assert nginx.get("/img/thumbnail/x.webp").status == 401
    assert nginx.get("/img/thumbnail/x.webp", {"Cookie": f"access_token_cookie={compose.bob}"}).status == 200
    assert nginx.get("/assets/x.js").status == 200


# Songs, uploads, events.

def test_a_song_comes_in_the_range_that_was_asked_for(compose):
    part = compose.get("/file/abc?filepath=x", cookie=compose.bob, headers={"Range": "bytes=1000-1999"})
    assert part.status == 206 and part.body == SONG[1000:2000]
    assert part.headers["content-range"] == f"bytes 1000-1999/{len(SONG)}"
    assert compose.get("/file/abc?filepath=x", cookie=compose.bob).body == SONG


def test_an_upload_may_have_100_mb_and_no_more(compose):
    sent = compose.ask("POST", "/playlists/1", compose.bob, body=b"x" * 100_000_000)
    assert sent.status == 200 and compose.music.requests[-1]["length"] == 100_000_000
    head = f"POST /playlists/1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {compose.bob}\r\nContent-Length: {101 << 20}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", compose.nginx.port), 10) as connection:
        connection.sendall(head.encode())
        assert b" 413 " in connection.recv(4096)


def read_until(connection, wanted):
    got = b""
    while wanted not in got:
        more = connection.recv(4096)
        assert more, f"it ended without {wanted}: {got}"
        got += more
    return got


def test_an_event_arrives_while_the_stream_goes_on(compose):
    with socket.create_connection(("127.0.0.1", compose.nginx.port), 10) as connection:
        connection.sendall(f"GET /events/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {compose.bob}\r\n\r\n".encode())
        got = read_until(connection, b"data: 1")
        assert b"data: 2" not in got
        compose.music.go_on.set()
        read_until(connection, b"data: 2")


# The families of swingmusic-fcgi.

def test_the_metadata_are_for_users(compose):
    path = f"/tracks/{spotify_id('files')}"
    for family in ("/spotify/v1", "/api/catalog"):
        assert compose.get(f"{family}{path.replace('tracks', 'track') if 'catalog' in family else path}").status == 401
    answer = compose.get(f"/spotify/v1{path}", compose.bob)
    assert answer.status == 200 and answer.headers["cache-status"].startswith("swingmusic-fcgi; ")
    assert compose.get(f"/api/catalog/track/{spotify_id('files')}", cookie=compose.bob).json()["item_type"] == "track"


@pytest.mark.parametrize("path", ["/cache/temp/x", "/dragonfly/health", "/swingmusic-fcgi/page/now.json", "/swingmusic-fcgi/status.json",
                                  "/swingmusic-fcgi/metrics"])
def test_caches_store_and_status_are_for_admins(compose, path):
    assert compose.get(path).status == 401
    assert compose.get(path, compose.bob).status == 403
    for answer in (compose.get(path, compose.admin), compose.get(path, headers=ADMIN)):
        assert answer.status == (404 if path == "/cache/temp/x" else 200)


@pytest.mark.parametrize("path", ["/swingmusic-fcgi/healthz", "/swingmusic-fcgi/readyz"])
def test_health_is_for_everybody(compose, path):
    assert compose.get(path).status == 200


def test_a_change_of_a_user_reaches_swingmusic_with_the_checked_token_alone(compose):
    body = json.dumps({"id": 3, "username": "caroline"}).encode()
    assert compose.ask("PUT", "/auth/profile/update", compose.bob, JSON, body).status == 403
    before = len(compose.music.requests)
    answer = compose.ask("PUT", "/auth/profile/update", headers={**JSON, "X-Swingmusic-Roles": "admin"}, body=body, cookie=compose.admin)
    assert answer.status == 200 and len(compose.music.requests) == before + 1
    seen = compose.music.requests[-1]
    assert (seen["method"], seen["path"], seen["length"]) == ("PUT", "/auth/profile/update", len(body))
    assert seen["headers"]["authorization"] == f"Bearer {compose.admin}"
    assert "cookie" not in seen["headers"] and "x-swingmusic-roles" not in seen["headers"]


def test_guard_admin_lets_admins_pass_alone(sandbox, compose):
    files = sandbox.directory("files")
    (files / "x.txt").write_text("for admins")
    nginx = Nginx(sandbox, compose.responder.address, sessions=True, swingmusic=compose.music.port,
                  server=[f"location /mine/ {{ include swingmusic-fcgi/guard-admin.conf; alias {files}/; }}"]).start()
    for token, status in ((None, 401), (compose.bob, 403), (compose.admin, 200)):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        assert nginx.get("/mine/x.txt", headers).status == status


# One address cannot take everything.

def test_an_address_has_its_bound_of_requests_under_way_and_others_get_through(sandbox, compose):
    def tighten(folder):
        path = folder / "nginx.conf"
        assert "limit_conn swingmusic_address 1500;" in path.read_text()
        path.write_text(path.read_text().replace("limit_conn swingmusic_address 1500;", "limit_conn swingmusic_address 3;"))

    music = MusicServer(sandbox)
    nginx = Nginx(sandbox, compose.responder.address, swingmusic=music.port, guarded=True, edit=tighten).start()

    def ask(source, path="/folder"):
        with http.Connection(nginx.port, 20, source) as connection:
            return connection.get(path, {"Authorization": f"Bearer {compose.bob}"}).status

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        slow = [pool.submit(ask, "127.0.0.7", "/slow") for _ in range(3)]
        eventually(lambda: len(music.requests) == 3, 10, what="three requests are under way")
        assert ask("127.0.0.7") == 429
        assert ask("127.0.0.8") == 200
        music.go_on.set()
        assert [each.result() for each in slow] == [200, 200, 200]
    eventually(lambda: ask("127.0.0.7") == 200, 5, what="the address may ask again")
