"""nginx answering by itself what it was asked for a moment ago: microcache.conf and microcached.conf, which nobody includes unless he wants to."""

import concurrent.futures
import email.utils
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import time

import pytest

from harness import http
from harness.house import House, track
from harness.nginx import Nginx
from harness.process import children_of, cpu_seconds
from harness.responder import Responder, spotify_settings
from harness.standin import StandIn, spotify_id
from harness.swingmusic import Swingmusic
from harness.waiting import eventually

USUAL_FOLDER = "/run/swingmusic-fcgi-microcache"


def put(path, usual, wanted):
    text = path.read_text()
    assert usual in text
    path.write_text(text.replace(usual, wanted))


def with_microcache(folder):
    """What docs/nginx.md says that one changes."""
    put(folder / "nginx.conf", "include swingmusic-fcgi/limits.conf;", "include swingmusic-fcgi/limits.conf; include swingmusic-fcgi/microcache.conf;")
    put(folder / "nginx.conf", "include swingmusic-fcgi/metadata.conf;", "include swingmusic-fcgi/microcached.conf;")
    put(folder / "swingmusic-fcgi/microcache.conf", USUAL_FOLDER, str(folder.parent / "microcache"))


def microcached(house, **more):
    """A house whose nginx has the two files."""
    house.nginx.stop()
    house.nginx = Nginx(house.sandbox, house.responder.address, edit=with_microcache, **more).start()
    return house


@pytest.fixture(scope="module")
def house():
    with House("microcache", workers=2) as house:
        yield microcached(house)


def members(answer):
    """The caches of Cache-Status, the one next to Spotify first."""
    return [member.strip() for member in answer.cache_status.split(",")]


def nginx_said(answer):
    return next((member.removeprefix("nginx; ") for member in members(answer) if member.startswith("nginx; ")), None)


def in_one_tenth(action, within=8.5):
    """Does something that takes a moment within one and the same ten seconds, for which alone an answer is kept."""
    while time.time() % 10 > within - 1:
        time.sleep(0.1)
    return action()


def warm(house, path, headers=None):
    """Asks until nginx answers by itself."""
    def ask():
        for _ in range(6):
            answer = house.get(path, headers)
            if nginx_said(answer) == "hit":
                return answer
        return answer
    return in_one_tenth(ask)


def test_what_was_asked_for_twice_nginx_answers_itself_and_says_so(house):
    [path] = house.fill(name="twice")
    first = house.get(path)
    hit = warm(house, path)
    assert nginx_said(hit) == "hit" and members(hit)[0].startswith("swingmusic-fcgi; hit; ttl=")
    assert hit.body == first.body and hit.headers["etag"] == first.headers["etag"]
    assert "x-accel-expires" not in hit.headers and hit.headers["cache-control"].startswith("private, max-age=60")
    assert nginx_said(first) in ("fwd=uri-miss", "fwd=stale") and "age" not in first.headers


def test_no_answer_is_older_than_it_says_and_none_is_older_than_ten_seconds(house):
    [path] = house.fill(name="old")
    kinds, end = {}, time.time() + 24
    while time.time() < end:
        before = time.time()
        answer = house.get(path)
        made = email.utils.parsedate_to_datetime(answer.headers["date"]).timestamp()
        kind = nginx_said(answer)
        kinds[kind] = kinds.get(kind, 0) + 1
        if kind in ("hit", "hit; detail=updating"):
            # Both are whole seconds: what passed between two looks at the clock is no fault.
            assert int(before) - made <= int(answer.headers["age"]) + 0.001, (answer.headers, before)
            assert int(answer.headers["age"]) <= int(time.time()) - made + 0.001 and time.time() - made < 10.6
        else:
            assert "age" not in answer.headers
        # Sometimes nobody asks for longer than the answer is fresh.
        time.sleep(4.2 if sum(kinds.values()) % 30 == 29 else 0.1)
    assert kinds["hit"] > 20 and kinds.get("hit; detail=updating", 0) >= 1, kinds


def test_a_record_that_has_changed_is_seen_within_ten_seconds(new_house):
    house = microcached(new_house("microcache-change", workers=2))
    [path] = house.fill(name="change")
    warm(house, path)
    assert house.admin("DELETE", "/cache/spotify").status == 200
    # It is due now: no fresh hit, and nothing that is kept.
    began = time.time()
    eventually(lambda: members(house.get(path))[0].startswith("swingmusic-fcgi; hit; ttl=-") or house.standin.calls(spotify_id("change-0"))[1:], 12,
               every=0.1, what="the change is seen")
    assert time.time() - began < 11


@pytest.mark.parametrize("header", [
    ("Authorization", "Bearer x"), ("Cookie", "a=b"), ("Cookie", "0"), ("Prefer", "wait=1"), ("Prefer", "0"), ("Range", "bytes=0-1"), ("Origin", "https://a.example")])
def test_who_is_somebody_or_wants_something_of_their_own_goes_past_it(house, header):
    [path] = house.fill(name=f"past-{header[0]}-{len(header[1])}")

    def look():
        for _ in range(int(os.environ.get("MICROCACHE_ROUNDS", "6"))):
            assert nginx_said(house.get(path, dict([header]))) == "fwd=bypass"
        # Nothing of theirs was kept.
        return nginx_said(house.get(path))
    assert in_one_tenth(look) == "fwd=uri-miss"
    assert nginx_said(warm(house, path)) == "hit"
    assert nginx_said(house.get(path, dict([header]))) == "fwd=bypass"


def test_a_foreign_host_poisons_nobody(house):
    (name,) = house.standin.ids("playlist", 1, more_than=99, seed="hosts")
    path = f"/spotify/v1/playlists/{name}"
    house.get(path)

    def look():
        own = f"127.0.0.1:{house.port}"
        for host in ("evil.example", own, "evil.example", own, "evil.example", own):
            answer = house.get(path, {"Host": host})
            assert f"http://{host}/spotify/v1" in answer.body.decode(), host
        return nginx_said(answer)
    assert in_one_tenth(look) == "hit"


def test_methods_and_queries_are_told_apart(house):
    [path] = house.fill(name="told")
    whole = warm(house, path)
    head = [house.request("HEAD", path) for _ in range(3)][-1]
    assert head.status == 200 and head.body == b"" and head.headers["content-length"] == whole.headers["content-length"]
    assert nginx_said(house.get(path + "?market=DE")) != "hit"
    assert house.request("POST", path).status == 405
    assert house.get(path).body == whole.body


def test_only_fresh_hits_of_records_are_kept(house):
    for path in ("/api/catalog/trending", track("x")[:-3], "/spotify/v1/nothing", "/swingmusic-fcgi/healthz", "/spotify/v1/search?q=a&type=track"):
        house.get(path)
        answers = in_one_tenth(lambda: [house.get(path) for _ in range(4)])
        assert not any(nginx_said(answer) == "hit" for answer in answers), path


def test_a_caller_who_has_it_already_is_told_so_by_nginx_and_past_it(house):
    [path] = house.fill(name="same")
    tag = warm(house, path).headers["etag"]

    def look():
        return house.get(path, {"If-None-Match": tag}), house.get(path, {"If-None-Match": tag, "Prefer": "wait=1"})
    kept, past = in_one_tenth(look)
    assert (kept.status, past.status) == (304, 304) and kept.body == past.body == b""
    assert nginx_said(past) == "fwd=bypass"
    assert house.get(path, {"If-None-Match": '"0000000000000000"'}).status == 200


def test_of_many_who_ask_at_once_few_get_through(house):
    [path] = house.fill(name="many")

    def look():
        warm(house, path)
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            return [nginx_said(answer) for answer in pool.map(house.get, [path] * 400)]
    said = in_one_tenth(look, within=6)
    assert len(said) == 400 and sum(kind.startswith("fwd") for kind in said) <= 4, said


def test_what_waits_for_spotify_is_waited_for_together_and_not_one_after_the_other(new_house):
    house = microcached(new_house("microcache-wait", workers=2))
    house.standin.fail({"behaviour": "delay", "seconds": 1.5, "path": "tracks"})
    began = time.time()
    answers = house.at_once([track("slow")] * 20)
    assert {answer.status for answer in answers} == {200} and time.time() - began < 8
    assert len(house.standin.calls(spotify_id("slow"))) == 1


def test_with_metadata_by_session_nothing_is_kept(sandbox):
    swingmusic = Swingmusic(sandbox)
    responder = Responder(sandbox, {"SWINGMUSIC_CONFIG_DIR": str(swingmusic.folder), **spotify_settings(StandIn(sandbox).start())}, workers=1).start()
    nginx = Nginx(sandbox, responder.address, sessions=True, swingmusic=swingmusic.port, edit=with_microcache).start()
    login = http.request(nginx.port, "POST", "/auth/login", {"Content-Type": "application/json"}, json.dumps({"username": "bob", "password": "bobpw"}).encode())
    path, token = track("private"), {"Authorization": f"Bearer {login.json()['accesstoken']}"}
    for _ in range(5):
        assert nginx.get(path).status == 401
        answer = nginx.get(path, token)
        assert answer.status == 200 and nginx_said(answer) == "fwd=bypass" and answer.headers["cache-control"] == "private, max-age=0"
    assert nginx.get(path).status == 401


def cost(nginx, path, seconds=2):
    """Processor seconds of nginx's workers for each request, and requests a second."""
    # Without the loader of its caches, which ends a minute after the start.
    workers = [pid for pid in children_of(nginx.process.pid) if b"worker" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()]
    before = sum(map(cpu_seconds, workers))
    done = subprocess.run(["wrk", "-t1", "-c16", f"-d{seconds}s", f"http://127.0.0.1:{nginx.port}{path}"], capture_output=True, text=True, timeout=60)
    assert "Non-2xx" not in done.stdout, done.stdout
    count = int(re.search(r"(\d+) requests in", done.stdout)[1])
    return (sum(map(cpu_seconds, workers)) - before) / count, count / seconds


def test_it_is_nearly_as_cheap_as_a_file(new_house):
    """Alternating, in one nginx, and of the same bytes: what a file costs its processor is 0.9 of it and more. Rates say the same on a quiet machine."""
    if not shutil.which("wrk"):
        pytest.skip("no wrk")
    house = new_house("microcache-rate", workers=2)
    [path] = house.fill(name="rate")
    files = house.sandbox.directory("files")
    (files / "x.json").write_bytes(house.get(path).body)
    microcached(house, server=[f"location /static-copy/ {{ alias {files}/; types {{ application/json json; }} }}"])
    costs, rates = [], []
    for _ in range(int(os.environ.get("MICROCACHE_ROUNDS", "6"))):
        (file, files_rate), (kept, rate) = cost(house.nginx, "/static-copy/x.json"), cost(house.nginx, path)
        costs.append(file / kept)
        rates.append(rate / files_rate)
    print(f"\na file's cost in that of a kept answer: {[f'{one:.2f}' for one in sorted(costs)]}; rates: {[f'{one:.2f}' for one in sorted(rates)]}")
    assert statistics.median(costs) >= 0.9
