"""Several hosts of one account: one pace, one call a record, and a record of one is a hit on the others."""

import json
import os
import re
import signal
import time

import pytest

from harness.hosts import Hosts, alive, tracks
from harness.house import ADMIN, assert_spotify_error, cache_status
from harness.oddstore import NamelessStore
from harness.redis import RedisServer
from harness.sandbox import free_port
from harness.standin import gaps, spotify_id
from harness.waiting import eventually

#: What a call may leave after its turn was asked for.
HEAD_START = 0.02


@pytest.fixture
def two():
    with Hosts("two") as hosts:
        yield hosts


def test_what_two_hosts_are_asked_for_at_once_is_called_once_by_both_in_turns_at_one_pace(two):
    paths = tracks("both", 24)
    answers = two.ask_all(paths)
    assert [[answer.status for answer in each] for each in answers] == [[200] * 24] * 2
    assert [answer.body for answer in answers[0]] == [answer.body for answer in answers[1]]
    calls = two.standin.calls()
    assert sorted(call["path"] for call in calls) == sorted(path.removeprefix("/spotify") for path in paths), "one call a record"
    assert min(gaps(calls)) >= 0.2 - HEAD_START - 0.005
    assert len(two.standin.calls(on="token")) <= 2, "the token is shared"
    for number, host in enumerate(two, 1):
        told = host.status()["hosts"]
        assert told["host"] == f"host{number}" and told["turn"] >= 24 and "fault" not in told
    assert two.callers() == {"host1", "host2"}, "both called"


def test_lookups_of_a_host_share_a_call_where_the_account_may_and_none_is_in_two_calls():
    with Hosts("batches", mode="extended", SPOTIFY_MIN_INTERVAL="500ms") as hosts:
        paths = tracks("batch", 30)
        answers = hosts.ask_all(paths)
        assert [[answer.status for answer in each] for each in answers] == [[200] * 30] * 2
        calls = hosts.standin.calls()
        asked = [name for call in calls for name in re.findall(r"[0-9A-Za-z]{22}", f"{call['path']}?{call['query']}")]
        assert sorted(asked) == sorted(path.rpartition("/")[2] for path in paths) and len(calls) < 15


def test_a_record_that_one_host_fetched_is_a_hit_on_the_other(two):
    path, = tracks("one", 1)
    first, second = two
    got = first.get(path)
    assert got.status == 200 and len(two.standin.calls()) == 1
    then = second.get(path)
    assert then.status == 200 and then.body == got.body and then.seconds < 0.5
    assert len(two.standin.calls()) == 1
    assert cache_status(second.get(path))["hit"] is True


def test_what_spotify_refused_one_host_is_refused_by_the_other_without_a_call(two):
    path = "/spotify/v1/tracks/0000000000000000000000"
    refused = two[0].get(path)
    assert_spotify_error(refused, 404)
    calls = len(two.standin.calls())
    assert_spotify_error(two[1].get(path), 404)
    assert len(two.standin.calls()) == calls


def test_a_cooldown_that_one_host_meets_is_kept_by_the_other(two):
    first, second = two
    two.standin.fail({"behaviour": "status", "status": 429, "retry_after": 60, "times": 1})
    assert first.get(tracks("cool", 1)[0], {"Prefer": "wait=2"}).status == 429
    two.standin.fail()
    calls = len(two.standin.calls())
    eventually(lambda: second.status()["limiter"].get("cooldown"), 5, what="the other host keeps the cooldown")
    assert second.get(tracks("cooler", 1)[0], {"Prefer": "wait=2"}).status == 429
    assert len(two.standin.calls()) == calls


def test_while_the_store_is_away_nobody_calls_and_hits_are_answered_and_it_is_said(two):
    first, second = two
    known, unknown = tracks("away", 2)
    assert first.get(known).status == 200
    two.store.kill()
    for host in two:
        eventually(lambda host=host: "no-shared-store" in host.get("/swingmusic-fcgi/readyz").body.decode(), 10, what="it is said")
        ready = host.get("/swingmusic-fcgi/readyz", ADMIN)
        assert ready.status == 200
        detail, = [detail for detail in ready.json()["details"] if detail["word"] == "no-shared-store"]
        assert "cannot be reached" in detail["text"] and "SWINGMUSIC_FCGI_SHARED_STORE" in detail["remedy"]
    assert first.get(known).status == 200
    calls = len(two.standin.calls())
    time.sleep(5.5)
    told = second.get(unknown, {"Prefer": "wait=2"})
    assert_spotify_error(told, 429, 503)
    assert len(two.standin.calls()) == calls
    two.store.start()
    eventually(lambda: second.get(unknown, {"Prefer": "wait=2"}).status == 200, 40, what="calls go on")
    assert not re.search("password|secret", two.log_text(), re.IGNORECASE)


@pytest.mark.parametrize("field, value", [("n", "9223372036854775807"), ("n", "9223372036854775806"), ("n", "-1"), ("n", "turn"), ("n", "007"),
                                          ("n", str(1 << 51)), ("epoch", "x y"), ("idle", "7 9999999999999"), ("server", "x"),
                                          ("cooldown", "evil 1 9223372036854775807 1")])
def test_whatever_somebody_writes_to_the_store_hits_are_answered_and_no_worker_ends(two, field, value):
    """Calls may stop for it. An empty store is all that it takes for them to go on."""
    known, last, *unknown = tracks("poison", 4)
    assert [host.get(known).status for host in two] == [200, 200]
    workers = [host.responder.worker_pids() for host in two]
    state, = (key for key in two.store.command("KEYS", "*") if key.endswith(b":state"))
    two.store.command("HSET", state, "n", "9223372036854775807" if field == "server" else "7", field, value)
    for _ in range(2):
        for host, path in zip(two, unknown):
            host.get(path, {"Prefer": "wait=1"})
            assert host.get(known).status == 200
    two.store.kill()
    two.store.start()
    for host, path in zip(two, unknown):
        eventually(lambda host=host, path=path: host.get(path, {"Prefer": "wait=2"}).status == 200, 30, what="calls go on")
    assert [host.responder.worker_pids() for host in two] == workers
    # Nor does it keep anybody out who begins after it.
    os.kill(workers[0][0], signal.SIGKILL)
    others = workers[0][1:]
    eventually(lambda: len(set(two[0].responder.worker_pids()) - set(workers[0])) == 1, 20, what="another worker")
    assert set(others) < set(two[0].responder.worker_pids())
    assert two[0].command("hosts", "list").returncode == 0
    assert [host.get(known).status for host in two] == [200, 200]
    assert two[0].get(last, {"Prefer": "wait=10"}).status == 200


def test_names_that_no_host_can_have_are_nobodys(two):
    hosts, = (key for key in two.store.command("KEYS", "*") if key.endswith(b":hosts"))
    for beat in range(3):
        two.store.command("HSET", hosts, "<img src=x>\nforged\x1b[31m", str(beat))
        time.sleep(1.1)
    assert "forged" not in json.dumps(two[0].status()) + two[0].command("hosts", "list", "--json").stdout
    assert alive(two[0]) == {"host2"}


def test_a_store_that_asks_for_no_password_is_a_warning_and_an_error_where_one_is_set(two):
    def said(grade, **settings):
        findings = json.loads(two[0].command("check", "--json", **settings).stdout)["findings"]
        return [each for each in findings if each["subject"] == "SWINGMUSIC_FCGI_SHARED_STORE" and each["grade"] == grade]
    warning, = [each for each in said("warning") if "password" in each["detail"]]
    assert "asks for no password" in warning["detail"] and "SWINGMUSIC_FCGI_SHARED_STORE_PASSWORD_FILE" in warning["remedy"]
    assert said("error") == []
    error, = said("error", SWINGMUSIC_FCGI_SHARED_STORE_PASSWORD="a-password")
    assert "asks for no password" in error["detail"]
    with_password = RedisServer(two.sandbox, password="a-password").start()
    more = {"SWINGMUSIC_FCGI_SHARED_STORE": f"127.0.0.1:{with_password.port}", "SWINGMUSIC_FCGI_SHARED_STORE_PASSWORD": "a-password"}
    assert "password" not in json.dumps(said("warning", **more) + said("error", **more))


def test_check_warns_of_caches_in_the_shared_store(two):
    address = two.store.port
    found = two[0].command("check", DRAGONFLYDB_HOST="127.0.0.1", DRAGONFLYDB_PORT=str(address))
    assert "is the store of the caches, too" in found.stdout
    assert "is the store of the caches, too" not in two[0].command("check").stdout


def test_check_warns_of_a_store_on_the_internet(two):
    found = two[0].command("check", SWINGMUSIC_FCGI_SHARED_STORE="203.0.113.7:6379")
    assert "203.0.113.7 is no address of a private network" in found.stdout
    assert "private network" not in two[0].command("check").stdout


def test_check_does_not_call_well_what_it_did_not_look_at(two):
    """Beside the running program, which tells its settings and no secrets."""
    told = two[0].command("check", SPOTIFY_CLIENT_ID=None, SPOTIFY_CLIENT_SECRET=None)
    line = next(part for part in told.stdout.split("\n") if "SWINGMUSIC_FCGI_SHARED_STORE" in part)
    assert line.startswith("unseen") and "--env-file" in told.stdout, told.stdout


def test_a_host_without_the_account_leaves_the_others_its_playlists_to_ask_for(two):
    """What Spotify shows of a list depends on who asks."""
    path = f"/spotify/v1/playlists/{spotify_id('of-one')}"
    assert [host.get(path).status for host in two] == [200, 200]
    assert len([call for call in two.standin.calls() if "/playlists/" in call["path"]]) == 2


def test_a_host_that_was_killed_is_silent_until_it_is_forgotten(two):
    first, second = two
    # Workers whose parent is gone say goodbye, if they still can.
    for worker in second.responder.worker_pids():
        os.kill(worker, signal.SIGSTOP)
    second.responder.kill()
    eventually(lambda: first.status()["hosts"]["silent"] == 1, 20, what="it is silent")
    eventually(lambda: "silent-hosts" in first.get("/swingmusic-fcgi/readyz").json()["warnings"], 5, what="it is said")
    listed = json.loads(first.command("hosts", "list", "--json").stdout)
    assert {host["name"]: host["alive"] for host in listed["hosts"]} == {"host1": True, "host2": False}
    alive_one = first.command("hosts", "forget", "host1")
    assert alive_one.returncode == 1 and "is alive" in alive_one.stderr
    assert first.command("hosts", "forget", "nobody").returncode == 3
    assert first.command("hosts", "forget", "host2").returncode == 0
    eventually(lambda: all(first.status()["hosts"]["silent"] == 0 for _ in range(8)), 5, what="it is forgotten by all workers")
    metrics = first.get("/swingmusic-fcgi/metrics", ADMIN).body.decode()
    assert 'swingmusic_fcgi_hosts{state="silent"} 0' in metrics and "swingmusic_fcgi_shared_store_usable 1" in metrics


def test_a_host_that_ends_says_goodbye_and_one_that_comes_is_seen(two):
    first, second = two
    assert second.responder.stop() == 0
    eventually(lambda: alive(first) == set(), 20, what="it is gone")
    assert first.status()["hosts"]["silent"] == 0
    second.start()
    eventually(lambda: alive(first) == {"host2"}, 20, what="it is back")


def test_the_strictest_pace_is_everybodys_and_it_is_warned_of():
    with Hosts("mixed", each=[{}, {"SPOTIFY_MIN_INTERVAL": "800ms"}]) as hosts:
        quick = hosts[0]
        assert "mixed-hosts" in quick.get("/swingmusic-fcgi/readyz").json()["warnings"]
        assert all(answer.status == 200 for answer in quick.at_once(tracks("mixed", 5)))
        assert min(gaps(hosts.standin.calls())) >= 0.8 - HEAD_START - 0.005
        assert "another pace is set on host2" in quick.command("check").stdout


def test_two_hosts_of_one_name_do_not_call(sandbox):
    with Hosts("named", each=[{}, {"SWINGMUSIC_FCGI_HOST_NAME": "host1"}], start=False) as hosts:
        for host in hosts:
            host.start()
        # Hosts look once a second, each worker of theirs for itself.
        for host in hosts:
            eventually(lambda host=host: "SWINGMUSIC_FCGI_HOST_NAME" in host.status()["hosts"].get("fault", ""), 20, what="it is said")
        time.sleep(2)
        calls = len(hosts.standin.calls())
        for path in tracks("named", 4):
            for host in hosts:
                answer = host.get(path, {"Prefer": "wait=1"})
                assert_spotify_error(answer, 429, 503)
                assert b"HOST_NAME" not in answer.body, "that is for the operator"
        assert len(hosts.standin.calls()) == calls
        found = hosts[1].command("check")
        assert found.returncode == 1 and "calls itself host1, too" in found.stdout
        hosts[1].responder.stop()
        hosts[1].responder.settings["SWINGMUSIC_FCGI_HOST_NAME"] = "host2"
        hosts[1].start()
        for host in hosts:
            eventually(lambda host=host: host.get(tracks("named", 1)[0], {"Prefer": "wait=2"}).status == 200, 30, what="calls go on")


def test_another_secret_is_warned_of_and_what_was_fetched_with_it_is_fetched_again():
    with Hosts("secret", each=[{}, {"SPOTIFY_CLIENT_SECRET": "another"}]) as hosts:
        first, second = hosts
        path, = tracks("secret", 1)
        for host in hosts:
            host.get(path)
        for host, other in ((first, "host2"), (second, "host1")):
            eventually(lambda host=host: "mixed-hosts" in host.get("/swingmusic-fcgi/readyz").json()["warnings"], 10, what="it is said")
            assert f"another SPOTIFY_CLIENT_SECRET is set on {other}" in host.command("check").stdout


def test_hosts_with_another_api_address_refuse_each_other(sandbox):
    with Hosts("api", each=[{}, {"SPOTIFY_API_URL": f"http://127.0.0.1:{free_port()}"}], start=False) as hosts:
        for host in hosts:
            host.start()
        for host in hosts:
            fault = eventually(lambda host=host: host.status()["hosts"].get("fault"), 20, what="it is said")
            assert "SPOTIFY_API_URL" in fault
            found = host.command("check")
            assert found.returncode == 1 and "another SPOTIFY_API_URL is set on" in found.stdout


@pytest.mark.parametrize("options, words", [
    (["--maxmemory-policy", "allkeys-lru"], "set noeviction"),
    (["--replicaof", "127.0.0.1 1"], "name the one that it copies"),
    (["--rename-command", "SCRIPT", ""], "Lua"),
])
def test_a_store_that_is_not_fit_is_refused_with_the_remedy(options, words):
    with Hosts("unfit", count=1, start=False) as hosts:
        hosts.store.kill()
        hosts.store.start(options=options)
        host = hosts[0].start()
        assert host.status()["hosts"]["fault"]
        found = host.command("check")
        line = next(part for part in found.stdout.split("\n") if "SWINGMUSIC_FCGI_SHARED_STORE" in part)
        assert line.startswith("error") and found.returncode == 1
        assert words in found.stdout
        assert host.get(tracks("unfit", 1)[0], {"Prefer": "wait=1"}).status in (429, 503)
        assert hosts.standin.calls() == []


def test_a_wrong_password_is_named_and_never_shown(sandbox):
    with Hosts("password", count=1, start=False, SWINGMUSIC_FCGI_SHARED_STORE_PASSWORD="the-wrong-one") as hosts:
        store = RedisServer(hosts.sandbox, password="the-right-one").start()
        hosts[0].responder.settings["SWINGMUSIC_FCGI_SHARED_STORE"] = f"127.0.0.1:{store.port}"
        host = hosts[0].start()
        assert "password" in host.status()["hosts"]["fault"]
        found = host.command("check")
        assert "SWINGMUSIC_FCGI_SHARED_STORE_PASSWORD_FILE" in found.stdout
        assert "the-wrong-one" not in found.stdout + found.stderr + host.sandbox.log_text()
        assert host.command("check", SWINGMUSIC_FCGI_SHARED_STORE_PASSWORD="the-right-one").stdout.count("is Redis") == 1


def test_sharing_switched_on_and_off_loses_no_record_and_no_pace():
    """One host goes out of the company and comes back; the other has stayed, and is told of what was called meanwhile."""
    with Hosts("switch", SPOTIFY_MIN_INTERVAL="4s") as two:
        first, other = two
        known, second, third, fourth = tracks("switch", 4)
        assert first.get(known).status == 200
        first.responder.restart(SWINGMUSIC_FCGI_SHARED_STORE=None)
        assert cache_status(first.get(known))["hit"] is True
        assert "alone-beside-hosts" in first.get("/swingmusic-fcgi/readyz").json()["warnings"]
        assert first.get(second).status == 200
        first.responder.restart(SWINGMUSIC_FCGI_SHARED_STORE=two.settings["SWINGMUSIC_FCGI_SHARED_STORE"])
        two.await_company()
        assert cache_status(first.get(second))["hit"] is True
        assert other.get(third).status == 200
        assert first.get(fourth).status == 200
        assert [call["path"] for call in two.standin.calls()] == [path.removeprefix("/spotify") for path in (known, second, third, fourth)]
        assert min(gaps(two.standin.calls())) >= 4 - HEAD_START - 0.02, "what was called before counts, whichever way it went"


#: A host's hour in the tests below, and how fast it is spent.
FEW = {"SPOTIFY_CALLS_PER_HOUR": "12", "SPOTIFY_MIN_INTERVAL": "300ms"}


def spend_hour(host, standin, name):
    """Until the hour is full; where it was counted from an empty store, or a machine is busy, some of it are calls that nobody made."""
    first, *paths = tracks(name, 13)
    # A host that is new to an empty store makes no call for some seconds.
    assert host.get(first).status == 200
    answers = [host.get(path, {"Prefer": "wait=2"}).status for path in paths]
    assert answers[-1] == 429 and 5 <= len(standin.calls()) <= 12


def assert_nothing_is_left(host, standin):
    """The hour's calls are spent, and the host knows it, and soon."""
    before = len(standin.calls())
    eventually(lambda: host.status()["limiter"]["lastHour"]["calls"] >= 12, 15, what="the host was told of the calls")
    eventually(lambda: host.status()["hosts"].get("fault") is None, 15, what="it can use the store")
    for path in tracks(f"{host.name}-more", 3):
        assert host.get(path, {"Prefer": "wait=2"}).status == 429
    assert len(standin.calls()) == before <= 12


def test_over_a_store_that_does_not_say_which_process_it_is_the_hour_and_the_pace_hold():
    """DragonflyDB does not: what was cut off may have been started anew with less."""
    with Hosts("nameless", start=False, SPOTIFY_CALLS_PER_HOUR="20", SPOTIFY_MIN_INTERVAL="300ms") as two:
        way = NamelessStore(two.sandbox, two.store)
        for host in two:
            host.responder.settings["SWINGMUSIC_FCGI_SHARED_STORE"] = f"127.0.0.1:{way.port}"
            host.start()
        two.await_company()
        first, *others = tracks("nameless", 41)
        # A host that is new to an empty store makes no call for some seconds.
        assert two[0].get(first).status == 200
        snapshot = None
        for number, path in enumerate(others):
            two[number % 2].get(path, {"Prefer": "wait=3"})
            if number == 2:
                snapshot = two.store.save()
            if number in (5, 8, 11):
                two.store.kill()
                two.store.start(snapshot=None if number == 8 else snapshot)
            # Told at once where it would take longer.
            time.sleep(0.2)
        calls = two.standin.calls()
        assert 6 < len(calls) <= 20, "time in which nobody looked counts, and the hour has no more than it may"
        assert min(gaps(calls)) >= 0.3 - HEAD_START - 0.005
        assert all("fault" not in host.status()["hosts"] for host in two)


def test_what_one_host_called_alone_counts_for_the_others_when_it_comes_back_to_them():
    with Hosts("return", **FEW) as two:
        one, other = two
        one.get(tracks("together", 1)[0])
        # It has heard of the call.
        eventually(lambda: other.status()["hosts"]["turn"] == one.status()["hosts"]["turn"], 10, what="the other has heard of the call")
        other.responder.stop()
        store = two.settings["SWINGMUSIC_FCGI_SHARED_STORE"]
        one.responder.restart(SWINGMUSIC_FCGI_SHARED_STORE=None)
        spend_hour(one, two.standin, "alone")
        one.responder.restart(SWINGMUSIC_FCGI_SHARED_STORE=store)
        other.start()
        two.await_company()
        assert_nothing_is_left(other, two.standin)


def test_what_one_host_called_alone_counts_for_one_that_has_stayed():
    """The same, and the other was never away: it asked for nothing."""
    with Hosts("stay", **FEW) as two:
        one, other = two
        store = two.settings["SWINGMUSIC_FCGI_SHARED_STORE"]
        one.responder.restart(SWINGMUSIC_FCGI_SHARED_STORE=None)
        spend_hour(one, two.standin, "alone")
        one.responder.restart(SWINGMUSIC_FCGI_SHARED_STORE=store)
        two.await_company()
        assert_nothing_is_left(other, two.standin)


def test_a_new_host_that_founds_an_emptied_store_is_told_by_the_one_that_comes_after_it():
    with Hosts("founding", start=False, **FEW) as two:
        one, new = two
        one.start()
        spend_hour(one, two.standin, "before")
        workers = one.responder.worker_pids()
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        two.store.kill()
        two.store.start()
        new.start()
        eventually(lambda: new.status()["hosts"]["turn"], 10, what="the new one has founded")
        for worker in workers:
            os.kill(worker, signal.SIGCONT)
        assert_nothing_is_left(new, two.standin)
        assert_nothing_is_left(one, two.standin)


def test_a_new_host_that_is_started_before_the_old_one_shares_is_told_when_it_does():
    with Hosts("order", start=False, **FEW) as two:
        one, new = two
        store = one.responder.settings.pop("SWINGMUSIC_FCGI_SHARED_STORE")
        one.start()
        spend_hour(one, two.standin, "alone")
        new.start()
        one.responder.restart(SWINGMUSIC_FCGI_SHARED_STORE=store)
        two.await_company()
        assert_nothing_is_left(new, two.standin)


def test_the_hour_counts_on_when_sharing_begins():
    """As docs/hosts.md says it: a host alone spends its hour, then shares, and then a new host comes."""
    with Hosts("joining", start=False, **FEW) as two:
        one, new = two
        store = one.responder.settings.pop("SWINGMUSIC_FCGI_SHARED_STORE")
        one.start()
        spend_hour(one, two.standin, "alone")
        one.responder.restart(SWINGMUSIC_FCGI_SHARED_STORE=store)
        new.start()
        two.await_company()
        assert_nothing_is_left(new, two.standin)
