"""The four caches through /cache and /dragonfly: the same whether DragonflyDB is there or not."""

import json
import random
import subprocess
import time
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes

import pytest

from harness import http, json_text
from harness.house import ADMIN, assert_plain_error, assert_spotify_error, cache_status, track
from harness.nginx import Nginx
from harness.sandbox import executable, free_port
from harness.standin import spotify_id
from harness.waiting import eventually

TTL = {"session": 24 * 3600, "user": 30 * 86400, "temp": 3600}
DONE = (200, 201, 204)


@pytest.fixture(scope="module")
def with_store(open_house):
    return open_house("caches", workers=2, store=True)


@pytest.fixture(scope="module")
def without_store(open_house):
    return open_house("caches-sqlite", workers=2)


@pytest.fixture(params=["dragonfly", "sqlite"])
def house(request):
    return request.getfixturevalue("with_store" if request.param == "dragonfly" else "without_store")


@pytest.mark.parametrize("name", ["session", "user", "temp"])
@pytest.mark.parametrize("value", [
    b"", b"text", bytes(range(256)), b"\r\n\r\n", b"\0", b"\xff" * 65536, bytes(range(256)) * 4096,
], ids=["empty", "text", "every-byte", "line-ends", "nul", "64-kib", "1-mib"])
def test_the_bytes_that_went_in_come_out(house, name, value):
    path = f"/cache/{name}/bytes/{len(value)}"
    assert house.admin("PUT", path, value).status in DONE
    for _ in range(2):
        answer = house.admin("GET", path)
        assert answer.status == 200 and answer.body == value


@pytest.mark.parametrize("key", [
    b"plain", b"with/slashes/in/it", b"with space", "schl\u00fcssel \u97f3\u697d".encode(), b"\xff\xfe not UTF-8", b"percent%25 and ?and#", b"a:b*c[d]",
    b"tab\tand\x01\x7f", b"..dots..", b"k" * 512,
], ids=repr)
def test_keys_hold_any_byte(house, key):
    path = "/cache/temp/" + quote_from_bytes(key, safe="/")
    assert house.admin("PUT", path, b"value of " + key).status in DONE
    assert house.admin("GET", path).body == b"value of " + key
    assert house.admin("DELETE", path).status in DONE
    assert house.admin("GET", path).status == 404


#: What keys are put together from: what nginx resolves, decodes, merges, cuts off or refuses, and harmless letters.
PIECES = [b"/", b"//", b".", b"..", b"/./", b"/../", b"%2F", b"%2f", b"%2e", b"%2E%2e", b"..%2F", b"%2f..%2f", b"%25", b"%252F", b"%252e%252e",
          b"+", b"%2B", b"%20", b"%3F", b"%23", b"#", b"%", b"%4", b"%zz", b"%00", b"%0d%0a", b"%7F", b"a", b"b", b"ab", b"%61", b"A", b"temp",
          b"session", b"..%2Fsession%2Fx", b"../session/x", b"%5C", b"\\", b";x=1", b":", b"&", b"=", b"\xff", b"%FF", b"\xc3\xa9", b"%C3%A9",
          b"%c3", b"\x01", b"\x1f", b"\x7f"]


def raw_keys(seed, count):
    """Keys as they stand in paths, as clients may write them and as none would."""
    dice = random.Random(seed)
    for _ in range(count):
        if dice.random() < 0.2:
            yield b"".join(b"%%%02x" % dice.randrange(256) for _ in range(dice.randrange(1, 12)))
        elif dice.random() < 0.1:
            yield dice.choice([b"k", b"/", b"%2F", b"%ff", b"."]) * dice.randrange(1, 600)
        else:
            yield b"".join(dice.choice(PIECES) for _ in range(dice.randrange(1, 9)))


@pytest.mark.parametrize("seed", range(4))
def test_two_keys_never_share_an_entry(house, seed):
    """A key is the raw path's bytes, decoded once. What is put is got back under exactly its key; what is refused changes nothing."""
    def ask(method, raw, body=b""):
        return kept.request(method, f"/cache/temp/{raw.decode('utf-8', 'surrogateescape')}", ADMIN, body)

    canaries = {f"/cache/{name}/{key}": b"canary" for name in ("session", "user") for key in ("x", "a", "temp/x", "session/x")}
    for path, value in canaries.items():
        assert house.admin("PUT", path, value).status in DONE
    house.admin("DELETE", "/cache/temp")
    keys, entries, refused = sorted(set(raw_keys(seed, 400))), {}, 0
    with house.connection() as kept:
        for number, raw in enumerate(keys):
            answer = ask("PUT", raw, b"%d" % number)
            if answer.status in DONE:
                entries[unquote_to_bytes(raw)] = b"%d" % number
            else:
                # 502: what nginx resolves to a path that is not ours, and there is no swingmusic here.
                assert answer.status in (400, 502), (raw, answer)
                refused += 1
        assert len(entries) > 200 and refused > 20, (len(entries), refused)
        services = house.admin("GET", "/dragonfly/services").json()["services"]
        assert next(service["key_count"] for service in services if service["name"] == "temp") == len(entries)
        for raw in keys:
            for method in ("GET", "HEAD"):
                answer = ask(method, raw)
                wanted = entries.get(unquote_to_bytes(raw))
                assert answer.status in ((200, 400, 502) if wanted else (400, 404, 502)), (raw, answer)
                if answer.status == 200:
                    assert int(answer.headers["content-length"]) == len(wanted), raw
                    assert method == "HEAD" or answer.body == wanted, raw
        for key in sorted(entries)[::2]:
            assert ask("DELETE", quote_from_bytes(key, safe="").encode()).status in (*DONE, 400, 502), key
        left = {raw: ask("GET", raw) for raw in keys}
    for raw, answer in left.items():
        if answer.status == 200:
            assert answer.body == entries[unquote_to_bytes(raw)], raw
    for path, value in canaries.items():
        assert house.admin("GET", path).body == value, path


@pytest.mark.parametrize("one, other", [
    ("a//b", "a/b"), ("a/../b", "b"), ("a/./b", "a/b"), ("./a", "a"), ("a/", "a"), ("a%2Fb/..", "a"), ("a%252Fb", "a/b"), ("a+b", "a b"),
    ("%FF", "%FE"), ("%FF", "%EF%BF%BD"), ("a%5Cb", "a/b"), ("a;b", "a"), ("A", "a"), ("a%23b", "a"), ("a%3Fb", "a"),
])
def test_what_nginx_would_make_one_are_two_keys(house, one, other):
    for key in (one, other):
        assert house.admin("PUT", f"/cache/temp/{key.replace(' ', '%20')}", key.encode()).status in DONE
    for key in (one, other):
        assert house.admin("GET", f"/cache/temp/{key.replace(' ', '%20')}").body == key.encode()
    assert house.admin("DELETE", f"/cache/temp/{one}").status in DONE
    assert house.admin("GET", f"/cache/temp/{other.replace(' ', '%20')}").body == other.encode()


@pytest.mark.parametrize("path", [
    "/cache/temp/..%2Fsession%2Fx", "/cache/temp/../session/x", "/cache/temp/%2e%2e/session/x", "/cache/user/..%2F..%2Fcache%2Fsession%2Fx",
    "//cache/session/x", "/cache//session/x", "/cache/./session/x", "/cache/%73ession/x", "/%63ache/session/x", "/cache/session%2Fx",
    "/spotify/v1/..%2F..%2Fcache%2Fsession%2Fx", "/cache/session/x#y", "/cache/temp/../x", "/cache/temp/..",
])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "GET"])
def test_a_cache_that_is_named_only_after_nginx_resolved_the_path_is_refused(house, method, path):
    assert house.admin("PUT", "/cache/session/x", b"kept").status in DONE
    assert_plain_error(house.admin(method, path, b"other" if method == "PUT" else b""), 400)
    assert house.admin("GET", "/cache/session/x").body == b"kept"


@pytest.mark.parametrize("path", ["/cache/temp/%2E", "/cache/temp/a/..", "/cache/temp/a%2F..", "/cache/temp//"])
def test_a_key_of_dots_and_slashes_clears_no_cache(house, path):
    assert house.admin("PUT", "/cache/temp/stays", b"x").status in DONE
    assert house.admin("DELETE", path).status == 404
    assert house.admin("GET", "/cache/temp/stays").status == 200


def test_a_path_in_absolute_form_is_the_same_key(house):
    target = f"http://127.0.0.1:{house.port}/cache/temp/absolute//%2e"
    assert house.admin("PUT", f"{target}?ttl=60s", b"whole").status in DONE
    assert house.admin("GET", "/cache/temp/absolute//.").body == b"whole"
    assert house.admin("DELETE", target).status in DONE
    assert house.admin("GET", "/cache/temp/absolute//.").status == 404


def test_with_an_older_include_file_keys_are_as_before_and_check_says_so(house):
    def older(folder):
        path = folder / "swingmusic-fcgi/request.conf"
        text = path.read_text()
        assert "REQUEST_URI" in text
        path.write_text("".join(line for line in text.splitlines(keepends=True) if "REQUEST_URI" not in line))

    def nginx_findings():
        run = subprocess.run([executable(), "check", "--json"], env=house.sandbox.environment(**house.responder.settings),
                             capture_output=True, text=True, timeout=30)
        return [finding for finding in json.loads(run.stdout)["findings"] if finding["subject"] == "nginx" and "pass.conf" in finding["detail"]]

    nginx = Nginx(house.sandbox, house.responder.address, edit=older).start()
    try:
        assert nginx_findings() == []
        assert http.request(nginx.port, "PUT", "/cache/temp/older//key", ADMIN, b"x").status in DONE
        assert http.request(nginx.port, "GET", "/cache/temp/older/key", ADMIN).body == b"x"
        [found] = nginx_findings()
        assert found["grade"] == "warning" and "reload nginx" in found["remedy"]
        assert house.responder.log().count("is an older one") <= house.responder.workers
        assert house.admin("GET", "/cache/temp/older/key").body == b"x"
        assert nginx_findings() == []
    finally:
        nginx.stop()


@pytest.mark.parametrize("path", [
    "/dragonfly/clear/..%2Fclear-all", "/dragonfly/clear/temp:a%2F..%2F..%2Ftemp", "/dragonfly/clear/x/../temp", "/dragonfly/clear/temp%2F..%2Ftemp",
    "/dragonfly/clear/temp:%FF",
])
def test_a_namespace_of_dots_and_slashes_clears_no_other(house, path):
    house.admin("DELETE", "/cache/temp")
    for key in ("cleared/1", "other"):
        assert house.admin("PUT", f"/cache/temp/{key}", b"x").status in DONE
    assert house.admin("PUT", "/cache/temp/%EF%BF%BD/1", b"x").status in DONE
    answer = house.admin("POST", path)
    assert answer.status in (400, 404) or answer.json()["cleared_count"] == 0, answer
    for key in ("cleared/1", "other", "%EF%BF%BD/1"):
        assert house.admin("GET", f"/cache/temp/{key}").status == 200


def test_a_namespace_of_any_bytes_is_cleared(house):
    for name in ("%FF", "a%20b", "..x", "%25"):
        assert house.admin("PUT", f"/cache/temp/{name}/1", b"x").status in DONE
        assert house.admin("POST", f"/dragonfly/clear/temp:{name}").json()["cleared_count"] == 1
        assert house.admin("GET", f"/cache/temp/{name}/1").status == 404


def test_what_is_not_there_is_404_in_the_familys_shape(house):
    assert_plain_error(house.admin("GET", "/cache/user/nobody"), 404)
    assert house.admin("HEAD", "/cache/user/nobody").status == 404


def test_an_overwritten_value_is_the_new_one_for_every_worker(house):
    for number in range(30):
        assert house.admin("PUT", "/cache/session/overwritten", b"%d" % number).status in DONE
        assert {answer.body for answer in (house.admin("GET", "/cache/session/overwritten") for _ in range(4))} == {b"%d" % number}


def test_head_tells_the_length_and_sends_nothing(house):
    house.admin("PUT", "/cache/temp/head", b"12345")
    answer = house.admin("HEAD", "/cache/temp/head")
    assert answer.status == 200 and answer.body == b"" and answer.headers["content-length"] == "5"


def test_a_time_to_live_is_kept_to_the_second(house):
    before = time.monotonic()
    assert house.admin("PUT", "/cache/temp/short?ttl=2s", b"soon gone").status in DONE
    written = time.monotonic()
    assert cache_status(house.admin("GET", "/cache/temp/short"))["ttl"] in (1, 2)
    gone = eventually(lambda: house.admin("GET", "/cache/temp/short").status == 404 and time.monotonic(), 5)
    assert before + 2 <= gone <= written + 3
    assert house.admin("GET", "/cache/temp/short").status == 404


@pytest.mark.parametrize("ttl, seconds", [("500ms", 0), ("90s", 90), ("5m", 300), ("2h", 7200), ("7d", 604800)])
def test_durations_of_every_unit_are_understood(house, ttl, seconds):
    assert house.admin("PUT", f"/cache/user/unit-{ttl}?ttl={ttl}", b"x").status in DONE
    if seconds:
        assert seconds - 2 <= cache_status(house.admin("GET", f"/cache/user/unit-{ttl}"))["ttl"] <= seconds


@pytest.mark.parametrize("name", list(TTL))
def test_each_caches_default_time_to_live_is_exact_in_both_stores(with_store, name):
    with_store.admin("PUT", f"/cache/{name}/default-ttl-{name}", b"x")
    [key] = with_store.store.keys_ending_in(f"default-ttl-{name}")
    assert TTL[name] - 2 <= with_store.store.command("PTTL", key) / 1000 <= TTL[name]
    assert TTL[name] - 2 <= cache_status(with_store.admin("GET", f"/cache/{name}/default-ttl-{name}"))["ttl"] <= TTL[name]
    with_store.store.command("DEL", key)
    from_sqlite = cache_status(with_store.admin("GET", f"/cache/{name}/default-ttl-{name}"))
    assert from_sqlite["detail"] == "sqlite" and TTL[name] - 3 <= from_sqlite["ttl"] <= TTL[name]


def test_a_catalog_record_lives_twelve_hours_in_the_store_and_is_due_after_twelve_in_the_database(with_store):
    with_store.fill(name="ttl")
    keys = eventually(lambda: with_store.store.keys_ending_in(spotify_id("ttl-0")), 5, what="the record's copy is in the store")
    assert len(keys) == 1
    assert 43190 <= with_store.store.command("PTTL", keys[0]) / 1000 <= 43200
    assert 43190 <= cache_status(with_store.get(track("ttl-0")))["ttl"] <= 43200


def test_settings_change_the_times_to_live(new_house):
    house = new_house("ttl-settings", workers=1, store=True, SPOTIFY_CACHE_TTL="7m", SESSION_CACHE_TTL="8m", USER_CACHE_TTL="9m",
                      TEMP_CACHE_TTL="10m")
    for name, seconds in (("session", 480), ("user", 540), ("temp", 600)):
        house.admin("PUT", f"/cache/{name}/set-{name}", b"x")
        [key] = house.store.keys_ending_in(f"set-{name}")
        assert seconds - 2 <= house.store.command("PTTL", key) / 1000 <= seconds
        assert seconds - 2 <= cache_status(house.admin("GET", f"/cache/{name}/set-{name}"))["ttl"] <= seconds
    house.fill(name="set")
    assert 418 <= cache_status(house.get(track("set-0")))["ttl"] <= 420


def test_an_expired_catalog_record_is_served_stale_and_not_lost(new_house):
    house = new_house("stale", workers=1, store=True, SPOTIFY_CACHE_TTL="1s")
    [path] = house.fill()
    house.standin.kill()
    stale = eventually(lambda: (answer := house.get(path)) and cache_status(answer)["ttl"] < 0 and answer, 6, every=0.2)
    assert stale.status == 200
    status = cache_status(stale)
    assert "fwd" not in status and status["hit"] is True and status["ttl"] < 0


def test_delete_is_seen_by_every_worker_at_once(house):
    for _ in range(20):
        house.admin("PUT", "/cache/session/deleted", b"x")
        assert house.admin("DELETE", "/cache/session/deleted").status in DONE
        assert {house.admin("GET", "/cache/session/deleted").status for _ in range(4)} == {404}


def test_clearing_a_cache_clears_it_and_no_other(house):
    for name in TTL:
        house.admin("PUT", f"/cache/{name}/cleared", b"x")
    assert house.admin("DELETE", "/cache/temp").status in DONE
    assert house.admin("GET", "/cache/temp/cleared").status == 404
    assert house.admin("GET", "/cache/session/cleared").status == 200
    assert house.admin("GET", "/cache/user/cleared").status == 200


def test_a_cleared_spotify_cache_is_due_but_not_lost(house):
    [path] = house.fill(name="cleared")
    assert house.admin("DELETE", "/cache/spotify").status in DONE
    house.standin.kill()
    try:
        answer = eventually(lambda: (got := house.get(path)) and cache_status(got)["ttl"] < 0 and got, 6, every=0.2,
                            what="the record is due once no worker's memory has it")
        assert answer.status == 200
    finally:
        house.standin.start()


def test_values_of_the_spotify_cache_can_be_written_beside_the_catalogs(house):
    assert house.admin("PUT", "/cache/spotify/mine/1", b"kept").status in DONE
    assert house.admin("GET", "/cache/spotify/mine/1").body == b"kept"


def test_nobody_reads_or_writes_without_the_administrators_token(house):
    house.admin("PUT", "/cache/session/guarded", b"secret")
    for method, path in (("GET", "/cache/session/guarded"), ("HEAD", "/cache/session/guarded"), ("PUT", "/cache/session/guarded"),
                         ("DELETE", "/cache/session/guarded"), ("DELETE", "/cache/session"), ("GET", "/dragonfly/health"),
                         ("GET", "/dragonfly/stats"), ("GET", "/dragonfly/keys"), ("POST", "/dragonfly/clear-all")):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer "}, {"Authorization": "Basic eDp5"}):
            answer = house.request(method, path, headers, b"x" if method == "PUT" else b"")
            assert answer.status in (401, 403), (method, path, headers)
            if method != "HEAD":
                assert_plain_error(answer, 401, 403)
    assert house.admin("GET", "/cache/session/guarded").body == b"secret"


def test_without_an_administrators_token_nobody_at_all_does(new_house):
    house = new_house("no-admin", workers=1, SWINGMUSIC_FCGI_ADMIN_TOKEN=None)
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer None"}):
        assert_plain_error(house.request("GET", "/cache/temp/x", headers), 401, 403)
        assert_plain_error(house.request("GET", "/dragonfly/health", headers), 401, 403)


def test_cache_status_names_the_tier(with_store):
    with_store.admin("PUT", "/cache/user/tier", b"x")
    assert cache_status(with_store.admin("GET", "/cache/user/tier"))["detail"] == "dragonfly"
    [key] = with_store.store.keys_ending_in("tier")
    with_store.store.command("DEL", key)
    assert cache_status(with_store.admin("GET", "/cache/user/tier"))["detail"] == "sqlite"
    eventually(lambda: cache_status(with_store.admin("GET", "/cache/user/tier"))["detail"] == "dragonfly", 2,
               what="a find below fills what is above")


def test_answers_of_the_caches_are_stored_by_nobody_on_the_way(house):
    house.admin("PUT", "/cache/session/no-store", b"x")
    control = house.admin("GET", "/cache/session/no-store").headers["cache-control"]
    assert "no-store" in control or "private" in control


def test_the_dashboard_tells_of_a_store_that_is_there(with_store):
    for name in ("session", "user", "temp"):
        with_store.admin("PUT", f"/cache/{name}/dashboard", b"x")
    health = with_store.admin("GET", "/dragonfly/health")
    assert health.status == 200 and health.json()["connected"] is True
    for name in ("health", "stats", "services", "keys"):
        answer = with_store.admin("GET", f"/dragonfly/{name}")
        assert answer.body == json_text.figures(answer.json())
    assert isinstance(health.json()["latency_ms"], (int, float)) and isinstance(health.json()["message"], str)

    stats = with_store.admin("GET", "/dragonfly/stats").json()
    assert stats["memory"]["used_memory_human"] != "0B" and stats["memory"]["used_memory_peak_human"]
    assert stats["clients"]["connected_clients"] >= 1 and stats["server"]["uptime_in_seconds"] >= 0
    assert stats["keyspace"]["db0"]["keys"] == with_store.store.command("DBSIZE")

    services = {service["name"]: service for service in with_store.admin("GET", "/dragonfly/services").json()["services"]}
    assert {"spotify", "session", "user", "temp"} <= set(services)
    for service in services.values():
        assert service["key_count"] >= 0 and 0 <= service["hit_rate"] <= 100 and "T" in service["last_updated"]
    namespaces = {entry["namespace"]: entry["count"] for entry in with_store.admin("GET", "/dragonfly/keys").json()["keys"]}
    assert sum(namespaces.values()) >= 3


def test_the_dashboard_tells_of_a_store_that_is_not_there(without_store):
    health = without_store.admin("GET", "/dragonfly/health")
    assert health.status == 200 and health.json()["connected"] is False
    stats = without_store.admin("GET", "/dragonfly/stats")
    assert stats.status == 200
    assert stats.json()["memory"]["used_memory_human"] == "0B" and stats.json()["keyspace"]["db0"]["keys"] == 0
    assert without_store.admin("GET", "/dragonfly/services").status == 200
    assert without_store.admin("GET", "/dragonfly/keys").status == 200


def test_the_dashboards_counts_follow_writes_and_deletes(house):
    def temp_count():
        services = house.admin("GET", "/dragonfly/services").json()["services"]
        return next(service["key_count"] for service in services if service["name"] == "temp")

    house.admin("DELETE", "/cache/temp")
    assert temp_count() == 0
    for number in range(7):
        house.admin("PUT", f"/cache/temp/counted/{number}", b"x")
    house.admin("PUT", "/cache/temp/counted/0", b"again")
    assert temp_count() == 7
    house.admin("DELETE", "/cache/temp/counted/3")
    assert temp_count() == 6


def test_the_dashboards_clear_keeps_users_and_sessions(new_house):
    house = new_house("clear-all", workers=2, store=True)
    for name in TTL:
        house.admin("PUT", f"/cache/{name}/kept", b"x")
    [path] = house.fill()
    cleared = house.admin("POST", "/dragonfly/clear-all")
    assert cleared.status == 200 and cleared.json()["success"] is True and cleared.json()["message"]
    assert house.admin("GET", "/cache/temp/kept").status == 404
    assert house.admin("GET", "/cache/session/kept").body == b"x"
    assert house.admin("GET", "/cache/user/kept").body == b"x"
    assert house.get(path).status == 200


def test_the_dashboard_clears_one_namespace_and_says_how_much(new_house):
    house = new_house("clear-one", workers=2, store=True)
    for number in range(5):
        house.admin("PUT", f"/cache/temp/one/{number}", b"x")
    namespaces = [entry["namespace"] for entry in house.admin("GET", "/dragonfly/keys").json()["keys"]]
    name = next(name for name in namespaces if "temp" in name)
    cleared = house.admin("POST", "/dragonfly/clear/" + quote(name, safe=""))
    assert cleared.status == 200 and cleared.json()["success"] is True and cleared.json()["cleared_count"] >= 5
    assert house.admin("GET", "/cache/temp/one/1").status == 404
    assert_plain_error(house.admin("POST", "/dragonfly/clear/no-such-namespace"), 400, 404)


def test_dragonfly_answers_are_json(with_store):
    for path in ("health", "stats", "services", "keys"):
        answer = with_store.admin("GET", f"/dragonfly/{path}")
        assert answer.headers["content-type"].startswith("application/json") and json.loads(answer.body)


def test_ten_cached_reads_over_one_connection_take_a_few_milliseconds(with_store):
    with_store.fill(name="ten")
    with with_store.connection() as kept:
        rounds = []
        for _ in range(20):
            answers = [kept.get(track("ten-0")) for _ in range(10)]
            assert {answer.status for answer in answers} == {200}
            rounds.append(sum(answer.seconds for answer in answers))
    assert sorted(rounds)[10] < 0.010, rounds


def test_without_a_host_nothing_ever_connects_to_a_store(new_house):
    import socket
    try:
        listener = socket.create_server(("127.0.0.1", 6379))
    except OSError:
        pytest.skip("somebody has port 6379")
    with listener:
        house = new_house("no-host", workers=2)
        house.fill(3)
        house.admin("PUT", "/cache/temp/no-host", b"x")
        assert cache_status(house.admin("GET", "/cache/temp/no-host"))["detail"] == "sqlite"
        house.admin("GET", "/dragonfly/health")
        listener.settimeout(2)
        with pytest.raises(TimeoutError):
            listener.accept()


def test_a_unix_socket_and_a_database_number_are_understood(new_house):
    from harness.redis import RedisServer
    from harness.sandbox import Sandbox
    with Sandbox("unix-store") as place:
        path = place.socket_path("store")
        store = RedisServer(place, "--unixsocket", path, "--unixsocketperm", "777").start()
        house = new_house("unix-store", workers=1, DRAGONFLYDB_HOST=f"unix:{path}", DRAGONFLYDB_DB="3")
        house.admin("PUT", "/cache/temp/unix", b"x")
        assert cache_status(house.admin("GET", "/cache/temp/unix"))["detail"] == "dragonfly"
        assert store.pipeline([("SELECT", 3), ("DBSIZE",)])[1] >= 1 and store.command("DBSIZE") == 0


def test_a_password_is_sent(new_house, sandbox):
    from harness.redis import RedisServer
    store = RedisServer(sandbox, password="the-right-one").start()
    house = new_house("password", workers=1, store=store)
    house.admin("PUT", "/cache/temp/password", b"x")
    assert cache_status(house.admin("GET", "/cache/temp/password"))["detail"] == "dragonfly"


def test_catalog_records_are_read_but_not_written_through_cache(with_store):
    """The catalog's prefix is /cache's to read only. The record's key is what the store shows after the cache's name."""
    with_store.fill(name="prefix")
    [key] = eventually(lambda: with_store.store.keys_ending_in(spotify_id("prefix-0")), 5)
    path = "/cache/spotify/" + quote_from_bytes(key.partition(b"spotify:")[2], safe="/")
    assert with_store.admin("GET", path).status == 200
    assert_plain_error(with_store.admin("PUT", path, b"forged"), 400, 403, 405, 409)
    assert with_store.get(track("prefix-0")).json()["id"] == spotify_id("prefix-0")


def test_a_deleted_catalog_record_is_served_stale_until_it_is_renewed(with_store):
    with_store.fill(name="due")
    [key] = eventually(lambda: with_store.store.keys_ending_in(spotify_id("due-0")), 5)
    path = "/cache/spotify/" + quote_from_bytes(key.partition(b"spotify:")[2], safe="/")
    answer = with_store.admin("DELETE", path)
    if answer.status not in DONE:
        assert_plain_error(answer, 403, 405)
        pytest.skip("the catalog's prefix is not deleted through /cache here")
    assert with_store.get(track("due-0")).status == 200
    assert_spotify_error(with_store.get("/spotify/v1/tracks/x"), 400)
