"""A refusal of the account is not a refusal of the thing: it is said, it costs little, it is healed at the next call, and no caller
brings it about by what it asks for."""

import json
import subprocess
import time

import pytest

from harness.house import assert_plain_error, assert_spotify_error, cache_status, retry_after, track
from harness.standin import spotify_id
from harness.waiting import eventually

WORDS = ("Active premium subscription required for the owner of the app. When the subscription status changes, it can take a few hours "
         "before requests are allowed again.")
LAPSED = {"behaviour": "status", "status": 403, "body": WORDS, "headers": {"Content-Type": "text/plain"}}
SHORT = {"SPOTIFY_CACHE_TTL": "1s", "SWINGMUSIC_FCGI_MIRROR_WAIT": None}


def readyz(house):
    """What it tells the administrator."""
    return json.loads(house.admin("GET", "/swingmusic-fcgi/readyz").body)


def limiter(house):
    return json.loads(house.admin("GET", "/swingmusic-fcgi/status.json").body)["limiter"]


def run(house, *words):
    responder = house.responder
    return subprocess.run([responder.program, *words], env=house.sandbox.environment(**responder.settings), capture_output=True, text=True,
                          timeout=60)


def refused_account(house):
    """A house whose account lapses while some things are known; their paths."""
    known = house.fill(3)
    house.standin.fail(LAPSED)
    eventually(lambda: house.get(known[0]).status == 200 and limiter(house).get("accountRefusal"), 15, every=0.3,
               what="the renewal of a known thing shows it")
    return known


def test_a_lapsed_account_costs_few_calls_and_is_said_everywhere(new_house):
    house = new_house("lapsed", workers=2, **SHORT)
    known = refused_account(house)
    before = house.standin.last_number()
    answers = house.at_once([track(f"lapsed-{n}") for n in range(20)])
    for answer in answers:
        assert "premium" in assert_spotify_error(answer, 503).lower()
        assert retry_after(answer) <= 60 and answer.seconds < 5
    assert_plain_error(house.get(f"/api/catalog/track/{spotify_id('lapsed-web')}", {"Prefer": "wait=1"}), 503)
    # One call at most for each pause that ended meanwhile.
    assert len(house.standin.calls(since=before)) <= 3
    assert [house.get(path).status for path in known] == [200] * 3
    assert readyz(house)["warnings"] == ["refused-account"] and "premium" in str(readyz(house)["details"]).lower()
    assert "premium" in limiter(house)["accountRefusal"]["reason"].lower()
    assert "swingmusic_fcgi_spotify_account_refused 1" in house.admin("GET", "/swingmusic-fcgi/metrics").body.decode()
    assert "account refused" in run(house, "status").stdout
    check = run(house, "check")
    assert "refused-account" in check.stdout and "Premium" in check.stdout, check.stdout
    [line] = [line for line in house.responder.log().splitlines() if "refuses this account" in line][:1]
    assert " warning " in line and "premium" in line.lower()


def test_it_is_healed_at_the_next_call_and_nothing_of_it_stays(new_house):
    house = new_house("healed", workers=2, **SHORT)
    known = refused_account(house)
    new = [track(f"healed-{n}") for n in range(5)]
    house.at_once(new)
    house.standin.fail()
    for path in new:
        eventually(lambda: house.get(path).status == 200, 25, every=0.2, what="it is answered")
    eventually(lambda: "/" not in cache_status(house.get(known[0]))["detail"], 5, every=0.2, what="nothing is marked as refused")
    assert readyz(house)["warnings"] == [] and "accountRefusal" not in limiter(house)
    assert "serves this account again" in house.responder.log()
    assert run(house, "check").returncode == 0


def test_it_outlives_a_restart(new_house):
    house = new_house("lapsed-restart", workers=2, **SHORT)
    refused_account(house)
    house.responder.kill()
    before = house.standin.last_number()
    house.responder.start()
    assert_spotify_error(house.get(track("after"), {"Prefer": "wait=0"}), 503)
    assert len(house.standin.calls(since=before)) <= 1 and readyz(house)["warnings"] == ["refused-account"]


@pytest.mark.parametrize("rule", [LAPSED, {"behaviour": "status", "status": 403, "body": "<html>no</html>"},
                                  {"behaviour": "status", "status": 403, "message": "Premium subscription required"}],
                         ids=["plain text", "html", "in the Web API's form"])
def test_no_caller_brings_it_about_by_what_it_asks_for(new_house, rule):
    house = new_house("odd", workers=2, SWINGMUSIC_FCGI_MIRROR_WAIT=None)
    house.fill(2)
    odd = [spotify_id(f"odd-{n}") for n in range(10)]
    house.standin.fail({**rule, "path": "|".join(odd)})
    before = house.standin.last_number()
    for n, name in enumerate(odd):
        assert_spotify_error(house.get(f"/spotify/v1/tracks/{name}"), 403)
        assert house.get(track(f"even-{n}")).status == 200
    assert "accountRefusal" not in limiter(house) and readyz(house)["warnings"] == []
    calls = [call["path"].rpartition("/")[2] for call in house.standin.calls(since=before)]
    assert sorted(calls.count(name) for name in odd) == [1] * 10, "each was asked for once"
    assert len(calls) == 21, "and one control call for all of them"


def test_a_refusal_that_says_nothing_of_the_account_is_the_things_own(new_house):
    house = new_house("own", workers=2, **SHORT)
    [known, other] = house.fill(2)
    name, new = known.rpartition("/")[2], spotify_id("own-new")
    house.standin.fail({"behaviour": "status", "status": 403, "message": "Forbidden", "path": f"{name}|{new}"})
    before = house.standin.last_number()
    assert_spotify_error(house.get(f"/spotify/v1/tracks/{new}"), 403)
    assert len(house.standin.calls(since=before)) == 1, "of an unknown thing it is believed at once"
    stale = eventually(lambda: "/" in cache_status(got := house.get(known))["detail"] and got, 10, every=0.3, what="the known one is marked")
    assert stale.status == 200 and cache_status(stale)["detail"].endswith("/403")
    assert len(house.standin.calls(name)) == 2 and "accountRefusal" not in limiter(house)
    # Not for a day because of one answer: `TEMP_CACHE_TTL`.
    assert readyz(house)["status"] == "ok"


def test_an_account_that_is_refused_all_of_a_sudden_in_the_apis_own_words_is_found_by_what_was_known(new_house):
    house = new_house("wordless", workers=2, **SHORT)
    known = house.fill(3)
    house.standin.fail({"behaviour": "status", "status": 403, "message": "Forbidden"})
    eventually(lambda: house.get(known[0]).status == 200 and limiter(house).get("accountRefusal"), 15, every=0.3, what="it is found")
    before = time.monotonic()
    house.standin.fail()
    eventually(lambda: house.get(track("wordless-new")).status == 200, 25, every=0.2, what="it is healed")
    assert time.monotonic() - before < 25


def test_a_new_installation_with_a_lapsed_account_says_so(new_house):
    house = new_house("new-and-lapsed", workers=2, SWINGMUSIC_FCGI_MIRROR_WAIT=None)
    house.standin.fail(LAPSED)
    answers = house.at_once([track(f"new-{n}") for n in range(10)])
    assert {answer.status for answer in answers} <= {503, 429}
    assert "premium" in assert_spotify_error(house.get(track("new-late")), 503).lower()
    assert len(house.standin.calls()) <= 4
    house.standin.fail()
    eventually(lambda: house.get(track("new-1")).status == 200, 25, every=0.2, what="it is healed")
