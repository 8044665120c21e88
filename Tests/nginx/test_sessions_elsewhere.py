"""Two hosts with an nginx each: one has swingmusic's folder, the other asks it who sends a request, over TCP. A session that was ended is ended on
both at the next request, a host that is cut off lets nobody pass, and nobody names himself a user."""

import concurrent.futures
import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from harness import fastcgi, http
from harness.fastcgi import FastCGIConnection
from harness.house import ADMIN, BRISK, assert_plain_error, assert_spotify_error, cache_status
from harness.musicserver import MusicServer
from harness.nginx import Nginx
from harness.responder import Responder, spotify_settings
from harness.sandbox import Sandbox, executable, free_port
from harness.standin import StandIn, spotify_id
from harness.swingmusic import Swingmusic, claims
from harness.swingmusic import token as signed
from harness.waiting import eventually

JSON = {"Content-Type": "application/json"}
HERE = "127.0.0.1"
#: An address of this machine that is none of the first host's peers.
STRANGER = "127.0.0.9"
TRACK = f"/spotify/v1/tracks/{spotify_id('elsewhere')}"

#: The files of the second host, and those whose place they take.
ELSEWHERE = {"swingmusic-fcgi/metadata.conf": "swingmusic-fcgi/metadata-elsewhere.conf", "swingmusic-fcgi/admin.conf": "swingmusic-fcgi/admin-elsewhere.conf",
             "swingmusic-fcgi/upstream.conf": "swingmusic-fcgi/upstream.conf;\n    include swingmusic-fcgi/elsewhere.conf"}


def without_folder(address, further=()):
    """Edits nginx's files to those of a host without swingmusic's folder, which asks at an address."""
    def edit(folder):
        path = folder / "nginx.conf"
        text = path.read_text()
        for usual, other in ELSEWHERE.items():
            assert text.count(f"include {usual};") == 1
            text = text.replace(f"include {usual};", f"include {other};")
        path.write_text(text)
        site = folder / "site/server.conf"
        site.write_text("\n".join([site.read_text().replace("swingmusic-fcgi/sessions.conf", "swingmusic-fcgi/sessions-elsewhere.conf"), *further]) + "\n")
        upstream = folder / "swingmusic-fcgi/elsewhere.conf"
        assert upstream.read_text().count("server 10.0.0.1:9000") == 2
        upstream.write_text(upstream.read_text().replace("10.0.0.1:9000", address))
    return edit


class Hosts:
    """`first` and `second` are the ports of the two nginxes; each host has a data folder of its own."""

    def __init__(self, sandbox, further=()):
        self.sandbox = sandbox
        self.standin, self.folder, self.music = StandIn(sandbox).start(), Swingmusic(sandbox), MusicServer(sandbox)
        self.tcp = (HERE, free_port())
        path = str(sandbox.socket_path("first"))
        common = {**BRISK, **spotify_settings(self.standin)}
        self.owner = self.responder("first", path, {
            **common, "SWINGMUSIC_FCGI_LISTEN": f"{path}, {HERE}:{self.tcp[1]}", "SWINGMUSIC_FCGI_PEERS": HERE,
            "SWINGMUSIC_CONFIG_DIR": str(self.folder.folder)})
        self.asker = self.responder("second", str(sandbox.socket_path("second")), {**common, "SWINGMUSIC_FCGI_METADATA_AUTH": "nginx"})
        self.first = Nginx(sandbox, self.owner.address, swingmusic=self.music.port, guarded=True).start().port
        self.second = Nginx(sandbox, self.asker.address, swingmusic=self.music.port, guarded=True,
                            edit=without_folder(f"{HERE}:{self.tcp[1]}", further)).start().port

    def responder(self, name, path, settings):
        data = {"SWINGMUSIC_FCGI_DATA_DIR": str(self.sandbox.directory(f"data-{name}"))}
        return Responder(self.sandbox, {**settings, **data}, workers=2, address=path, log=name).start()

    def log_in(self, name, port=None):
        body = json.dumps({"username": name, "password": f"{name}pw"}).encode()
        answer = http.request(port or self.first, "POST", "/auth/login", JSON, body)
        assert answer.status == 200, answer
        return answer.json()["accesstoken"]

    def ask(self, port, path, token=None, headers=None, cookie=None, method="GET", body=b"", **more):
        given = dict(headers or {})
        if token:
            given["Authorization"] = f"Bearer {token}"
        if cookie:
            given["Cookie"] = f"access_token_cookie={cookie}"
        return http.request(port, method, path, given, body, **more)

    def good(self, token):
        """Where a token is good: at each host its routes of both kinds, and what stands behind the guard."""
        return [self.ask(port, path, token).status for port in (self.first, self.second) for path in (TRACK, "/folder", "/auth/user")]


@pytest.fixture(scope="module")
def hosts():
    with Sandbox("elsewhere") as sandbox:
        yield Hosts(sandbox)


@pytest.fixture
def own_hosts(sandbox):
    return Hosts(sandbox)


# One truth about sessions.

def test_who_signs_in_at_one_host_is_signed_in_at_both(hosts):
    for port in (hosts.first, hosts.second):
        assert hosts.good(hosts.log_in("bob", port)) == [200] * 6
    assert hosts.ask(hosts.second, TRACK, cookie=hosts.log_in("bob")).status == 200


@pytest.mark.parametrize("way, where", [(way, where) for way in ("logout", "revoked by an admin") for where in ("first", "second")] + [("password", "first")])
def test_a_session_that_was_ended_at_one_host_is_refused_at_both_at_the_next_request(hosts, way, where):
    admin, token = hosts.log_in("admin"), hosts.log_in("carol")
    assert hosts.good(token) == [200] * 6
    port = getattr(hosts, where)
    if way == "logout":
        assert hosts.ask(port, "/auth/logout", token).status == 200
    elif way == "password":
        hosts.folder.execute("UPDATE user SET password = password || ? WHERE username = 'carol'", "x")
    else:
        for session in hosts.ask(port, "/auth/sessions?user=3", admin).json()["sessions"]:
            assert hosts.ask(port, f"/auth/sessions/{session['id']}", admin, method="DELETE").status == 200
    try:
        assert hosts.good(token) == [401] * 6
    finally:
        if way == "password":
            hosts.folder.execute("UPDATE user SET password = rtrim(password, 'x') WHERE username = 'carol'")


def test_metadata_are_for_users_and_refused_in_each_familys_words(hosts):
    token = hosts.log_in("bob")
    assert hosts.ask(hosts.second, TRACK, token).status == 200
    assert "hit" in cache_status(hosts.ask(hosts.second, TRACK, token))
    # Where no client key is taken none is asked for.
    assert assert_spotify_error(hosts.ask(hosts.second, TRACK), 401) == "No token provided"
    assert "keys add" in assert_spotify_error(hosts.ask(hosts.first, TRACK), 401)
    assert_spotify_error(hosts.ask(hosts.second, TRACK, "rubbish"), 401)
    assert_plain_error(hosts.ask(hosts.second, f"/api/catalog/track/{spotify_id('elsewhere')}"), 401)
    search = {"method": "POST", "headers": JSON, "body": json.dumps({"query": "x"}).encode()}
    assert_plain_error(hosts.ask(hosts.second, "/api/search/global", **search), 401)
    assert hosts.ask(hosts.second, "/api/search/global", token, **search).status == 200


def test_a_page_of_another_site_changes_nothing_with_a_users_cookie(hosts):
    cookie, foreign = hosts.log_in("bob"), {"Origin": "https://elsewhere.example", **JSON}
    path = "/api/catalog/preferences/2"
    own = {"Origin": f"http://{HERE}:{hosts.second}", **JSON}
    assert hosts.ask(hosts.second, path, cookie=cookie, headers=own, method="POST", body=b"{}").status == 200
    assert hosts.ask(hosts.second, path, cookie=cookie, headers=foreign, method="POST", body=b"{}").status == 401
    admin, entry = hosts.log_in("admin"), "/cache/temp/from-a-page"
    assert [hosts.ask(hosts.second, entry, cookie=admin, headers={**foreign, "Content-Type": "text/plain"}, method=method, body=b"x").status
            for method in ("PUT", "DELETE")] == [401] * 2
    assert hosts.ask(hosts.second, entry, admin).status == 404
    assert hosts.ask(hosts.second, "/api/catalog/preferences/1", cookie=cookie).status == 403


def test_a_cookie_that_is_due_is_renewed_through_the_other_host(hosts):
    old = signed(claims(2, issued=int(time.time()) - 25 * 86400))
    for _ in range(2):  # the first one may be answered before it is made
        answer = hosts.ask(hosts.second, TRACK, cookie=old)
    assert answer.status == 200 and answer.headers["set-cookie"].startswith("access_token_cookie=")


@pytest.mark.parametrize("path", ["/cache/temp/x", "/dragonfly/health", "/swingmusic-fcgi/status.json", "/swingmusic-fcgi/page/now.json"])
def test_the_second_hosts_caches_and_status_are_for_admins(hosts, path):
    good = 404 if path == "/cache/temp/x" else 200
    assert hosts.ask(hosts.second, path).status == 401
    assert hosts.ask(hosts.second, path, hosts.log_in("bob")).status == 403
    assert hosts.ask(hosts.second, path, hosts.log_in("admin")).status == good
    assert hosts.ask(hosts.second, path, headers=ADMIN).status == good


def test_a_change_of_a_user_is_checked_by_the_other_host_and_handed_on_with_the_checked_token_alone(hosts):
    admin, bob = hosts.log_in("admin"), hosts.log_in("bob")
    change = {"method": "PUT", "headers": {**JSON, "X-Swingmusic-Roles": "admin"}, "body": json.dumps({"id": 3, "username": "caroline"}).encode()}
    before = len(hosts.music.requests)
    assert hosts.ask(hosts.second, "/auth/profile/update", bob, **change).status == 403
    assert len(hosts.music.requests) == before
    assert hosts.ask(hosts.second, "/auth/profile/update", cookie=admin, **change).status == 200
    seen = hosts.music.requests[-1]
    assert (seen["method"], seen["path"]) == ("PUT", "/auth/profile/update") and seen["headers"]["authorization"] == f"Bearer {admin}"
    assert "cookie" not in seen["headers"] and "x-swingmusic-roles" not in seen["headers"]


def test_a_name_is_given_free_again_when_swingmusic_does_not_answer(own_hosts):
    admin = own_hosts.log_in("admin")
    own_hosts.music.stop()
    for _ in range(2):  # the second would be refused, were the name still claimed
        body = json.dumps({"username": "newcomer", "password": "newcomerpw"}).encode()
        answer = own_hosts.ask(own_hosts.second, "/auth/profile/create", admin, JSON, method="POST", body=body)
        assert answer.status == 502 and answer.json() == {"msg": "swingmusic does not answer"}, answer


# Nobody names himself a user.

NAMES = ["SWINGMUSIC_USER_ID", "Swingmusic-User-Id", "SWINGMUSIC-USER-ID", "HTTP_SWINGMUSIC_USER_ID", "Http-Swingmusic-User-Id", "X-Swingmusic-User-Id",
         "swingmusic_user_id", "X_Swingmusic_User_Id", "X-Accel-Swingmusic-User-Id"]
ROLES = {name: name.replace("ID", "ROLES").replace("Id", "Roles").replace("_id", "_roles") for name in NAMES}


@pytest.fixture(scope="module", params=["as it is", "underscores_in_headers on"])
def hostile_hosts(request, hosts):
    if request.param == "as it is":
        yield hosts
        return
    with Sandbox("underscores") as sandbox:
        yield Hosts(sandbox, ["underscores_in_headers on;", "ignore_invalid_headers off;"])


@pytest.mark.parametrize("name", NAMES)
def test_no_header_names_a_user(hostile_hosts, name):
    it = hostile_hosts
    named = {name: "1", ROLES[name]: "admin"}
    bob, forged = it.log_in("bob"), signed(claims(1), key="another")
    for port in (it.first, it.second):
        for path in (TRACK, "/cache/temp/x", "/swingmusic-fcgi/status.json", "/folder", "/auth/user", "/auth/verify", "/api/catalog/preferences/1"):
            assert it.ask(port, path, headers=named).status == 401, (port, path)
            assert it.ask(port, path, forged, headers=named).status in (401, 422), (port, path)
        # Nor does it make another or more of who is a user.
        assert it.ask(port, "/cache/temp/x", bob, headers=named).status == 403
        assert it.ask(port, "/api/catalog/preferences/1", bob, headers=named).status == 403
        assert it.ask(port, "/api/catalog/preferences/2", bob, headers=named).status == 200


@pytest.mark.parametrize("path", ["/auth/verify/who", "/auth/verify/admin-who", "/auth/verify/admin", TRACK + "?SWINGMUSIC_USER_ID=1",
                                  "/spotify/v1/%0aSWINGMUSIC_USER_ID=1", "/auth/../auth/verify/who", "/auth//verify/who"])
def test_no_path_names_a_user(hostile_hosts, path):
    answer = hostile_hosts.ask(hostile_hosts.second, path)
    assert answer.status in (400, 401, 404), answer
    assert "x-swingmusic-user-id" not in answer.headers


PARAMETERS = {"SWINGMUSIC_USER_ID": "1", "SWINGMUSIC_USER_ROLES": "admin"}


def test_over_tcp_nobody_is_named(hosts):
    """The first host knows its sessions alone, whatever a peer says; and a host that believes nginx believes it over its socket alone."""
    for path in (TRACK, "/cache/temp/x", "/swingmusic-fcgi/status.json", "/auth/user"):
        assert fastcgi.ask(hosts.tcp, path, parameters=PARAMETERS).status == 401
        assert fastcgi.ask(hosts.owner.address, path, parameters=PARAMETERS).status == 401
    assert fastcgi.ask(hosts.tcp, "/auth/verify", parameters={"HTTP_AUTHORIZATION": f"Bearer {hosts.log_in('bob')}"}).status == 204


def test_a_location_for_admins_asks_the_other_host(sandbox, hosts):
    inside = ["location /for-admins { include swingmusic-fcgi/guard-admin.conf; try_files /none =204; }"]
    nginx, nowhere = (Nginx(sandbox, hosts.asker.address, swingmusic=hosts.music.port, guarded=True, edit=without_folder(f"{HERE}:{port}", inside)).start()
                      for port in (hosts.tcp[1], free_port()))
    tokens = [None, signed(claims(1), key="another"), hosts.log_in("bob"), hosts.log_in("admin")]
    assert [hosts.ask(nginx.port, "/for-admins", token).status for token in tokens] == [401, 401, 403, 204]
    assert [hosts.ask(nowhere.port, "/for-admins", token).status for token in tokens] == [502] * 4


def test_a_host_that_believes_nginx_believes_it_over_its_socket_alone(sandbox, hosts):
    tcp, path = (HERE, free_port()), str(sandbox.socket_path())
    responder = Responder(sandbox, {"SWINGMUSIC_FCGI_LISTEN": f"{HERE}:{tcp[1]},{path}", "SWINGMUSIC_FCGI_PEERS": "127.0.0.0/8",
                                    "SWINGMUSIC_FCGI_METADATA_AUTH": "nginx"}, workers=2, address=path).start()
    for asked, good in (("/cache/temp/x", 404), ("/spotify/v1/tracks/nonsense", 400), ("/swingmusic-fcgi/status.json", 200)):
        assert fastcgi.ask(responder.address, asked, parameters=PARAMETERS).status == good
        refused = fastcgi.ask(tcp, asked, parameters=PARAMETERS)
        assert refused.status == 401 and b"Unix socket alone" in refused.body
    assert fastcgi.ask(tcp, "/swingmusic-fcgi/status.json", parameters={"HTTP_AUTHORIZATION": ADMIN["Authorization"]}).status == 200


@pytest.mark.parametrize("pairs, status", [
    ([("SWINGMUSIC_USER_ID", "2"), ("SWINGMUSIC_USER_ROLES", "")], 403),
    ([("SWINGMUSIC_USER_ID", "2"), ("SWINGMUSIC_USER_ROLES", "administrator,xadmin")], 403),
    ([("SWINGMUSIC_USER_ID", "2"), ("SWINGMUSIC_USER_ROLES", "x,admin")], 404),
    ([("SWINGMUSIC_USER_ID", "2")], 403), ([("SWINGMUSIC_USER_ROLES", "admin")], 401),
    ([("SWINGMUSIC_USER_ID", ""), ("SWINGMUSIC_USER_ROLES", "admin")], 401),
    ([("SWINGMUSIC_USER_ID", ""), ("SWINGMUSIC_USER_ID", "1"), ("SWINGMUSIC_USER_ROLES", "admin")], 401),
    ([("SWINGMUSIC_USER_ID", "2"), ("SWINGMUSIC_USER_ID", "1"), ("SWINGMUSIC_USER_ROLES", "admin")], 401),
    ([("SWINGMUSIC_USER_ID", "2"), ("SWINGMUSIC_USER_ROLES", ""), ("SWINGMUSIC_USER_ROLES", "admin")], 401),
    ([("SWINGMUSIC_USER_ID", "-1"), ("SWINGMUSIC_USER_ROLES", "admin")], 401), ([("SWINGMUSIC_USER_ID", "1 "), ("SWINGMUSIC_USER_ROLES", "admin")], 401),
    ([("SWINGMUSIC_USER_ID", "99999999999999999999"), ("SWINGMUSIC_USER_ROLES", "admin")], 401),
    ([("HTTP_SWINGMUSIC_USER_ID", "1"), ("HTTP_SWINGMUSIC_USER_ROLES", "admin")], 401),
    ([("HTTP_X_SWINGMUSIC_USER_ID", "1"), ("HTTP_X_SWINGMUSIC_ROLES", "admin")], 401),
    ([("swingmusic_user_id", "1"), ("swingmusic_user_roles", "admin")], 401),
])
def test_what_nginx_says_is_read_strictly(hosts, pairs, status):
    assert fastcgi.ask(hosts.asker.address, "/cache/temp/x", parameters=pairs).status == status


def test_a_location_that_does_not_say_who_asks_is_told_so(hosts):
    assert b"SWINGMUSIC_USER_ID is not set" in fastcgi.ask(hosts.asker.address, TRACK).body


def test_nginx_is_told_to_keep_nothing_that_is_for_users(sandbox, hosts):
    """X-Accel-Expires is what nginx's own cache goes by (microcached.conf): it must not give a user's answer to the next who asks."""
    token, tag = hosts.log_in("bob"), {"HTTP_IF_NONE_MATCH": '"microcache"'}
    assert hosts.ask(hosts.second, TRACK, token).status == 200
    answer = fastcgi.ask(hosts.asker.address, TRACK, parameters={**PARAMETERS, **tag})
    assert answer.status == 200 and "x-accel-expires" not in answer.headers
    data = Path(hosts.asker.settings["SWINGMUSIC_FCGI_DATA_DIR"])
    hosts.asker.stop()
    try:
        everybodys = Responder(sandbox, {"SWINGMUSIC_FCGI_DATA_DIR": str(data)}, workers=1).start()
        assert "x-accel-expires" in fastcgi.ask(everybodys.address, TRACK, parameters=tag).headers
        everybodys.stop()
    finally:
        hosts.asker.start()


def check(hosts, port, **more):
    """What `check` says of the second host, before an nginx."""
    command = [executable(), "check", "--json", "--url", f"http://{HERE}:{port}"]
    ran = subprocess.run(command, env=hosts.sandbox.environment(**{**hosts.asker.settings, **more}), capture_output=True, text=True, timeout=60)
    return {(each["subject"], each["grade"]): each for each in json.loads(ran.stdout)["findings"]}


def test_check_tells_whether_nginx_says_who_asks(sandbox, hosts):
    auth = "SWINGMUSIC_FCGI_METADATA_AUTH"
    assert (auth, "ok") in check(hosts, hosts.second)
    without = Nginx(sandbox, hosts.asker.address).start()
    assert "metadata-elsewhere.conf" in check(hosts, without.port)[auth, "error"]["remedy"]
    nowhere = Nginx(sandbox, hosts.asker.address, sessions=True, edit=without_folder(f"{HERE}:{free_port()}")).start()
    assert "elsewhere.conf" in check(hosts, nowhere.port)[auth, "warning"]["remedy"]
    # The other host is one without swingmusic's folder itself, or this one is reached by TCP.
    tcp, path = (HERE, free_port()), str(sandbox.socket_path("folderless"))
    settings = {"SWINGMUSIC_FCGI_LISTEN": f"{path}, {HERE}:{tcp[1]}", "SWINGMUSIC_FCGI_PEERS": HERE, "SWINGMUSIC_FCGI_METADATA_AUTH": "nginx",
                "SWINGMUSIC_FCGI_DATA_DIR": str(sandbox.directory("data-folderless"))}
    folderless = Responder(sandbox, settings, workers=1, address=path).start()
    lost = Nginx(sandbox, hosts.asker.address, sessions=True, edit=without_folder(f"{HERE}:{tcp[1]}")).start()
    assert (auth, "warning") in check(hosts, lost.port)
    assert_spotify_error(hosts.ask(lost.port, TRACK, hosts.log_in("bob")), 502)
    by_tcp = Nginx(sandbox, tcp, sessions=True, edit=without_folder(f"{HERE}:{hosts.tcp[1]}")).start()
    assert "upstream.conf" in check(hosts, by_tcp.port)[auth, "error"]["remedy"]
    assert folderless.stop() == 0


def test_check_looks_at_all_addresses_and_says_when_this_host_is_no_peer(sandbox):
    path, tcp = str(sandbox.socket_path()), (HERE, free_port())
    responder = Responder(sandbox, {"SWINGMUSIC_FCGI_LISTEN": f"{tcp[0]}:{tcp[1]},{path}", "SWINGMUSIC_FCGI_PEERS": "10.0.0.2"}, workers=1,
                          address=path).start()

    def findings(**more):
        ran = subprocess.run([executable(), "check", "--json"], env=sandbox.environment(**{**responder.settings, **more}), capture_output=True,
                             text=True, timeout=60)
        return {each["subject"]: each for each in json.loads(ran.stdout)["findings"]}

    said = findings()
    assert said["health"]["grade"] == "ok" and path in said["health"]["detail"]
    assert said["peers"]["grade"] == "ok" and "none of them" in said["peers"]["detail"]
    assert subprocess.run([executable(), "check", "--health"], env=sandbox.environment(**responder.settings), timeout=60).returncode == 0
    # Alone it is what is asked, and this host should be among them.
    alone = findings(SWINGMUSIC_FCGI_LISTEN=f"{tcp[0]}:{tcp[1]}")["health"]
    assert alone["grade"] == "error" and "SWINGMUSIC_FCGI_PEERS" in alone["remedy"]


# Who may connect.

def test_who_is_no_peer_is_closed_without_an_answer_and_peers_go_on(hosts):
    def stranger(address):
        with socket.create_connection(hosts.tcp, 5, (address, 0)) as connection:
            connection.settimeout(5)
            try:
                connection.sendall(fastcgi.request("/swingmusic-fcgi/healthz"))
                return connection.recv(4096)
            except (ConnectionResetError, BrokenPipeError):
                return b""
    for _ in range(25):
        assert [stranger(address) for address in (STRANGER, "127.0.0.10")] == [b"", b""]
    assert fastcgi.ask(hosts.tcp, "/swingmusic-fcgi/healthz").status == 200
    said = [line for line in hosts.owner.log().splitlines() if "SWINGMUSIC_FCGI_PEERS" in line]
    # Once for each of two workers, and not for each connection, nor for each stranger.
    assert 1 <= len(said) <= 2 and "127.0.0." in said[0]


def test_peers_hold_for_a_single_tcp_address_as_well(sandbox):
    tcp = (HERE, free_port())
    Responder(sandbox, {"SWINGMUSIC_FCGI_PEERS": "127.0.0.0/29"}, workers=1, address=tcp).start()
    assert fastcgi.ask(tcp, "/swingmusic-fcgi/healthz").status == 200
    with socket.create_connection(tcp, 5, (STRANGER, 0)) as connection:
        assert connection.recv(1) == b""


def test_workers_that_are_replaced_serve_on_all_addresses(own_hosts):
    token = own_hosts.log_in("bob")
    with FastCGIConnection(own_hosts.tcp) as connection:
        assert connection.ask("/swingmusic-fcgi/healthz", keep=True).status == 200
        own_hosts.owner.reload()
        assert own_hosts.good(token) == [200] * 6
    assert fastcgi.ask(own_hosts.tcp, "/swingmusic-fcgi/healthz").status == 200
    assert own_hosts.owner.stop() == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(own_hosts.tcp, 2)


# Without the host that knows the sessions nobody passes.

@pytest.mark.parametrize("how", ["gone", "cut off"])
def test_without_the_host_that_knows_the_sessions_nobody_passes(own_hosts, how):
    it = own_hosts
    token, admin = it.log_in("bob"), it.log_in("admin")
    assert it.good(token) == [200] * 6
    before = len(it.music.requests)
    if how == "gone":
        it.owner.kill()
    else:
        # Its processes are frozen: connections are taken, and nothing is said.
        for pid in [it.owner.pid, *it.owner.worker_pids()]:
            os.kill(pid, signal.SIGSTOP)
    try:
        # All at once: each is told after as long as the other host may take.
        asked = [(TRACK, {"token": token}), (TRACK, {"cookie": token}), (TRACK, {}), (f"/api/catalog/track/{spotify_id('elsewhere')}", {"token": token}),
                 ("/folder", {"token": token}), ("/auth/verify", {"token": token}), ("/swingmusic-fcgi/status.json", {"token": admin}),
                 ("/swingmusic-fcgi/status.json", {"headers": ADMIN}), ("/swingmusic-fcgi/healthz", {})]
        with concurrent.futures.ThreadPoolExecutor(len(asked)) as pool:
            answers = list(pool.map(lambda one: it.ask(it.second, one[0], timeout=60, **one[1]), asked))
        for refused in answers[:3]:
            assert_spotify_error(refused, 502)
            assert refused.headers["retry-after"] == "5"
        assert_plain_error(answers[3], 502)
        assert answers[4].status == 502 and len(it.music.requests) == before
        assert answers[5].status in (502, 504)
        # What asks nobody goes on at once, and the operator's token opens what is for admins.
        assert [answer.status for answer in answers[6:]] == [401, 200, 200]
        assert answers[8].seconds < 1
    finally:
        if how == "cut off":
            for pid in [*it.owner.worker_pids(), it.owner.pid]:
                os.kill(pid, signal.SIGCONT)
    if how == "gone":
        it.owner.start()
    assert it.good(token) == [200] * 6


def test_while_the_host_that_knows_the_sessions_cannot_check_them_nobody_is_told_that_he_has_none(own_hosts):
    it = own_hosts
    token, admin = it.log_in("bob"), it.log_in("admin")
    assert it.good(token) == [200] * 6
    file = it.folder.folder / "swingmusic.db"
    assert file.exists()
    away = file.with_name("away")
    file.rename(away)
    try:
        eventually(lambda: it.ask(it.first, TRACK, token).status == 503, 20, what="it cannot be checked")
        told = it.ask(it.second, TRACK, token)
        assert_spotify_error(told, 502)
        assert told.headers["retry-after"] == "5"
        assert_plain_error(it.ask(it.second, f"/api/catalog/track/{spotify_id('elsewhere')}", token), 502)
        assert it.ask(it.second, TRACK).status == 401, "who shows no session has none"
        # The operator's token opens what is for admins, and nobody else's does.
        assert [it.ask(it.second, "/swingmusic-fcgi/status.json", **who).status for who in ({"token": admin}, {"headers": ADMIN})] == [401, 200]
    finally:
        away.rename(file)
    eventually(lambda: it.good(token) == [200] * 6, 20, what="it is found again")


def test_a_host_to_which_no_connection_comes_about_is_given_up_after_two_seconds(sandbox, hosts):
    """As behind a line that is cut: nothing answers, not even a refusal. The kernel does so for a socket whose backlog is full."""
    token = hosts.log_in("bob")
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((HERE, 0), backlog=0))
        port = listener.getsockname()[1]
        for _ in range(4):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex((HERE, port))
        nginx = Nginx(sandbox, hosts.asker.address, swingmusic=hosts.music.port, guarded=True, edit=without_folder(f"{HERE}:{port}")).start()
        before = len(hosts.music.requests)
        asked = [(TRACK, {"token": token}), ("/folder", {"token": token}), ("/auth/verify", {"token": token})]
        with concurrent.futures.ThreadPoolExecutor(len(asked)) as pool:
            answers = list(pool.map(lambda one: hosts.ask(nginx.port, one[0], timeout=60, **one[1]), asked))
        assert [answer.status for answer in answers[:2]] == [502] * 2 and answers[2].status in (502, 504)
        assert all(1.5 < answer.seconds < 6 for answer in answers), answers
        assert len(hosts.music.requests) == before


# At the start.

@pytest.mark.parametrize("settings, name, said", [
    ({"SWINGMUSIC_FCGI_LISTEN": "{socket},203.0.113.5:9000", "SWINGMUSIC_FCGI_PEERS": "10.0.0.2"}, "SWINGMUSIC_FCGI_LISTEN", "private"),
    ({"SWINGMUSIC_FCGI_LISTEN": "{socket},0.0.0.0:9000", "SWINGMUSIC_FCGI_PEERS": "10.0.0.2"}, "SWINGMUSIC_FCGI_LISTEN", "private"),
    ({"SWINGMUSIC_FCGI_LISTEN": "{socket},[::]:9000", "SWINGMUSIC_FCGI_PEERS": "10.0.0.2"}, "SWINGMUSIC_FCGI_LISTEN", "private"),
    ({"SWINGMUSIC_FCGI_LISTEN": "{socket},127.0.0.1:9000"}, "SWINGMUSIC_FCGI_PEERS", "10.0.0.2"),
    ({"SWINGMUSIC_FCGI_PEERS": "nginx.example"}, "SWINGMUSIC_FCGI_PEERS", "nginx.example"),
    ({"SWINGMUSIC_FCGI_METADATA_AUTH": "nginx", "SWINGMUSIC_CONFIG_DIR": "/tmp"}, "SWINGMUSIC_FCGI_METADATA_AUTH", "SWINGMUSIC_CONFIG_DIR"),
    ({"SWINGMUSIC_FCGI_METADATA_AUTH": "nginx", "SWINGMUSIC_FCGI_LISTEN": "127.0.0.1:{port}"}, "SWINGMUSIC_FCGI_METADATA_AUTH", "Unix socket"),
])
def test_what_would_open_too_much_is_refused_at_the_start_with_the_remedy(sandbox, settings, name, said):
    path = str(sandbox.socket_path())
    filled = {key: value.format(socket=path, port=free_port()) for key, value in settings.items()}
    responder = Responder(sandbox, filled, workers=1, address=path)
    assert responder.launch().wait(20) == 78
    assert any(name in line and said in line for line in responder.log().splitlines()), responder.log()
