"""What is served through nginx is served through lighttpd, Apache and Caddy as well."""

import os
import socket
import time
from urllib.parse import quote, unquote_to_bytes

import pytest

from harness.house import ADMIN, House, cache_status, track
from harness.http import encode
from harness.process import descriptor_targets
from harness.sandbox import REPOSITORY
from harness.standin import spotify_id
from harness.waiting import eventually
from harness.webservers import GROUP, SERVERS
from snippets.markdown import snippets

LINES = {each.heading: each.text for each in snippets("docs/webservers.md", (REPOSITORY / "docs/webservers.md").read_text())}
#: How long a caller is kept, seconds.
WAIT = 4
#: Raw paths below /cache/temp/: nginx refuses some, and takes others for something else (docs/caching.md); these all three hand on as they came.
KEYS = ["a%2Fb", "a/b", "a//b", "x/../y", "%25", "%2525", "a%20b", "a;x=1", "a+b", "a%5Cb", "%C3%A9", "//", "a%2F", "%2F", "%3F", "a%2F..%2Fb",
        "a/./b", "~", "%7E", "k%2f" * 50]


@pytest.fixture(scope="module")
def house():
    group = {"SWINGMUSIC_FCGI_SOCKET_GROUP": GROUP} if os.geteuid() == 0 else {}
    with House("webservers", workers=2, SWINGMUSIC_FCGI_MISS_WAIT=f"{WAIT}s", SWINGMUSIC_FCGI_MIRROR_WAIT=f"{WAIT}s", **group) as house:
        house.known = house.fill()[0]
        yield house


@pytest.fixture(scope="module", params=SERVERS)
def server(request, house):
    kind = SERVERS[request.param]
    if not kind.is_installed():
        pytest.skip(f"{kind.program} is not installed")
    server = kind(house.sandbox, LINES[request.param], house.responder.address)
    assert server.fault() == ""
    server.start()
    yield server
    server.stop()


def test_a_hit_is_answered_as_through_nginx(house, server):
    answer, usual = server.get(house.known), house.get(house.known)
    assert answer.status == 200 and "hit" in cache_status(answer) and answer.body == usual.body
    assert answer.headers["etag"].strip('W/"') == usual.headers["etag"].strip('W/"')
    assert server.get(house.known, {"If-None-Match": answer.headers["etag"]}).status == 304


def test_a_miss_is_fetched_and_a_hit_from_then_on(house, server):
    path = track(f"a miss through {server.program}")
    assert cache_status(server.get(path)).get("fwd") == "miss"
    assert "hit" in cache_status(server.get(path))


def test_every_family_of_routes_is_handed_on(house, server):
    assert server.get(f"/api/catalog/artist/{spotify_id('somebody')}").status == 200
    assert server.get("/swingmusic-fcgi/healthz").status == 200
    assert [server.get("/dragonfly/health", headers).status for headers in ({}, ADMIN)] == [401, 200]
    search = server.get("/spotify/v1/search?q=a%26b+c&type=track&limit=2")
    assert search.status == 200 and search.json()["tracks"]["limit"] == 2


def test_head_has_the_head_alone(house, server):
    head, get = server.request("HEAD", house.known), server.get(house.known)
    assert (head.status, head.body) == (200, b"")
    for name in ("etag", "content-type", "cache-control"):
        assert head.headers[name] == get.headers[name]


def test_100_kb_are_put_and_got_back(house, server):
    value = os.urandom(100_000)
    assert server.request("PUT", "/cache/temp/large", ADMIN, value).status == 204
    assert server.get("/cache/temp/large", ADMIN).body == value == house.admin("GET", "/cache/temp/large").body
    assert server.request("PUT", "/cache/temp/large", {}, value).status == 401


def test_a_header_of_8_kb_is_taken(house, server):
    assert server.get(house.known, {"X-Long": "x" * 8192}).status == 200


@pytest.mark.parametrize("raw", KEYS, ids=lambda raw: raw[:12])
def test_a_key_below_cache_is_the_raw_path_decoded_once(house, server, raw):
    value = os.urandom(20)
    assert server.request("PUT", f"/cache/temp/{raw}", ADMIN, value).status == 204
    assert server.get(f"/cache/temp/{raw}", ADMIN).body == value
    assert house.admin("GET", f"/cache/temp/{quote(unquote_to_bytes(raw), safe='')}").body == value
    assert house.admin("DELETE", f"/cache/temp/{quote(unquote_to_bytes(raw), safe='')}").status == 204


@pytest.mark.parametrize("raw", ["..", "%2e%2e", "../session/x", "..%2Fsession%2Fx", "%00", "x/../../session/x"])
def test_no_path_leads_into_another_cache(house, server, raw):
    server.request("PUT", f"/cache/temp/{raw}", ADMIN, b"?")
    listed = house.admin("GET", "/cache/session/x")
    assert listed.status == 404
    assert server.get(house.known).status == 200


def test_a_client_that_leaves_holds_nothing_up_and_nothing_for_long(house, server):
    def sockets():
        return sum(target.startswith("socket:") for pid in house.responder.worker_pids() for target in descriptor_targets(pid))

    house.standin.fail({"path": "albums", "behaviour": "hang"})
    try:
        before, path = sockets(), f"/spotify/v1/albums/{spotify_id(f'left by {server.program}')}"
        leavers = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
        for leaver in leavers:
            leaver.sendall(encode("GET", path, {}, b"", "127.0.0.1"))
        eventually(lambda: sockets() >= before + 20, 5, what="they wait")
        began = time.monotonic()
        for leaver in leavers:
            leaver.close()
        for _ in range(20):
            assert server.get(house.known).seconds < 0.5
        eventually(lambda: sockets() <= before + 8, WAIT + 4, what="nothing of them is left but kept connections")
        print(f"{server.program}: {time.monotonic() - began:.1f} s")
    finally:
        house.standin.fail()
    assert eventually(lambda: server.get(path).status == 200, 10, what="what they asked for can be had")
