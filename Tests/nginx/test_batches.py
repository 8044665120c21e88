"""Extended mode gives several objects in one call: lookups that wait share it, and nobody gets what is another's."""

import json
import time

import pytest

from harness.house import track
from harness.pace import assert_pace
from harness.spotify import Spotify, comparable
from harness.standin import missing_id, spotify_id
from harness.waiting import eventually

PACE = 0.5
BATCH = r"/v1/(tracks|albums|artists)\?ids="


@pytest.fixture(scope="module")
def house(open_house):
    house = open_house("batches", workers=2, mode="extended", batches=True, SPOTIFY_MIN_INTERVAL=f"{int(PACE * 1000)}ms", SWINGMUSIC_FCGI_QUEUE_LIMIT="4000")
    assert house.get(track("whose account this is")).status == 200
    return house


@pytest.fixture(scope="module")
def spotify(house):
    return Spotify(house.sandbox, mode="extended").start()


@pytest.fixture(autouse=True)
def as_usual(house):
    yield
    house.standin.fail()
    house.standin.control("mode", {"mode": "extended"})


def ask(house, kind, names):
    """Asks for all of them; the answer's objects, the calls that it took, and the seconds."""
    before, began = house.standin.last_number(), time.monotonic()
    answer = house.get(f"/spotify/v1/{kind}s?ids={','.join(names)}")
    took = time.monotonic() - began
    assert answer.status == 200, answer
    return answer.json()[f"{kind}s"], house.standin.calls(since=before), took


def names_of(house, kind, count, seed):
    return house.standin.ids(kind, count, seed=seed.replace(" ", "-").replace("'", ""))


def check(objects, spotify, kind, names):
    """Each is what Spotify says of it alone."""
    assert [value and value["id"] for value in objects] == names
    for value, name in zip(objects, names):
        assert comparable(value) == comparable(spotify.get(f"{kind}s/{name}")), name


def test_50_tracks_and_20_albums_and_50_artists_are_a_call_each_within_an_interval(house, spotify):
    for kind, count in (("track", 50), ("album", 20), ("artist", 50)):
        names = names_of(house, kind, count, "together")
        objects, calls, took = ask(house, kind, names)
        assert [call["path"] for call in calls] == [f"/v1/{kind}s"], calls
        assert took < PACE + 1, took
        check(objects[:5], spotify, kind, names[:5])
        assert [value["id"] for value in objects] == names


def test_500_queued_tracks_are_10_calls_and_these_keep_the_pace(house):
    names = names_of(house, "track", 500, "many")
    before = house.standin.last_number()
    paths = [f"/spotify/v1/tracks?ids={','.join(names[at:at + 50])}" for at in range(0, 500, 50)]
    assert {answer.status for answer in house.at_once(paths)} == {200}
    calls = house.standin.calls(since=before)
    # The first may leave before all of them have come.
    assert 10 <= len(calls) <= 11, [call["query"].count(",") for call in calls]
    assert_pace(house.sandbox, house.standin, PACE)
    assert sum(len(call["query"].split("%2C" if "%2C" in call["query"] else ",")) for call in calls if "ids=" in call["query"]) >= 499


def test_who_asks_for_one_has_it_with_what_others_wait_for(house):
    paths = [track(f"apart {n}") for n in range(20)]
    before = house.standin.last_number()
    answers = house.at_once(paths)
    assert [answer.json()["id"] for answer in answers] == [path.rsplit("/", 1)[1] for path in paths]
    assert len(house.standin.calls(since=before)) <= 3


def test_what_there_is_none_of_is_null_for_who_asks_for_all_and_404_for_who_asks_for_it(house):
    names = [spotify_id("there"), missing_id("not there"), spotify_id("there too")]
    objects, calls, _ = ask(house, "track", names)
    assert [value and value["id"] for value in objects] == [names[0], None, names[2]] and len(calls) == 1
    before = house.standin.last_number()
    assert house.get(f"/spotify/v1/tracks/{names[1]}").status == 404
    assert house.standin.calls(since=before) == []


def odd(kind, values):
    """Bodies that are odd, by what they are called."""
    def body(values):
        return json.dumps({f"{kind}s": values})
    return {"half": body(values[:len(values) // 2]), "reordered": body(values[1:] + values[:1]), "nulls": body([None] * (len(values) - 1)),
            "all another's": body([values[0]] * len(values)), "none": body([]), "another form": json.dumps({"error": "no"})}


@pytest.mark.parametrize("name", ["half", "reordered", "nulls", "all another's", "none", "another form"])
@pytest.mark.parametrize("kind", ["track", "album", "artist"])
def test_an_odd_answer_gives_nobody_anothers_record_and_loses_no_lookup(house, spotify, kind, name):
    names = names_of(house, kind, 6, f"odd {name}")
    values = [spotify.get(f"{kind}s/{one}") for one in names]
    house.standin.fail({"path": BATCH, "behaviour": "status", "status": 200, "body": odd(kind, values)[name], "times": 1})
    objects, calls, _ = ask(house, kind, names)
    check(objects, spotify, kind, names)
    assert_pace(house.sandbox, house.standin, PACE)
    assert len(calls) == {"half": 4, "reordered": 1, "all another's": 6, "another form": 2}.get(name, 7)
    assert all(house.get(f"/spotify/v1/{kind}s/{one}").json()["id"] == one for one in names)


@pytest.mark.parametrize("behaviour", ["truncate", "bad_json", "reset", "not_json"])
def test_an_answer_that_is_cut_is_had_again(house, spotify, behaviour):
    names = names_of(house, "track", 5, behaviour)
    house.standin.fail({"path": BATCH, "behaviour": behaviour, "times": 1})
    objects, calls, _ = ask(house, "track", names)
    check(objects, spotify, "track", names)
    assert len(calls) == 2
    assert_pace(house.sandbox, house.standin, PACE)


def test_one_that_spoils_the_call_for_all_is_parted_from_them(house, spotify):
    names = names_of(house, "track", 16, "spoiled")
    bad = names[5]
    house.standin.fail({"path": rf"ids=[^&]*{bad}", "behaviour": "status", "status": 400, "message": "invalid id"},
                       {"path": rf"/tracks/{bad}", "behaviour": "status", "status": 400, "message": "invalid id"})
    paths = [f"/spotify/v1/tracks/{one}" for one in names]
    before = house.standin.last_number()
    answers = house.at_once(paths)
    assert [answer.status for answer in answers] == [400 if one == bad else 200 for one in names]
    check([answer.json() for answer in answers if answer.status == 200], spotify, "track", [one for one in names if one != bad])
    calls = house.standin.calls(since=before)
    assert len(calls) < 16, len(calls)
    assert_pace(house.sandbox, house.standin, PACE)


@pytest.mark.parametrize(("status", "kind"), [(403, "track"), (404, "album"), (410, "artist")])
def test_where_several_are_not_to_be_had_at_once_each_is_asked_for_alone_for_a_day(new_house, status, kind):
    house = new_house(f"closed-{status}", workers=1, mode="extended", batches=True, SPOTIFY_MIN_INTERVAL="200ms")
    assert house.get(track("whose account this is")).status == 200
    house.standin.fail({"path": BATCH, "behaviour": "status", "status": status})
    names = names_of(house, kind, 4, "closed")
    objects, calls, _ = ask(house, kind, names)
    assert [value["id"] for value in objects] == names
    asked = [call["path"].removeprefix("/v1/") for call in calls]
    assert asked == [f"{kind}s", *(f"{kind}s/{one}" for one in names)], "they keep their places"
    assert_pace(house.sandbox, house.standin, 0.2)
    house.standin.fail()
    more = names_of(house, kind, 3, "closed still")
    assert len(ask(house, kind, more)[1]) == 3


def test_an_account_that_lost_extended_mode_is_found_out_and_nothing_is_lost(new_house):
    house = new_house("fallen", workers=1, mode="extended", batches=True, SPOTIFY_MIN_INTERVAL="100ms")
    assert house.get(track("whose account this is")).status == 200
    house.standin.control("mode", {"mode": "development"})
    names = names_of(house, "track", 5, "fallen")
    assert [value["id"] for value in ask(house, "track", names)[0]] == names
    answer = house.get("/spotify/v1/search?q=fallen&type=track&limit=20")
    assert answer.status == 200 and len(answer.json()["tracks"]["items"]) == 20, answer


def test_a_search_asks_for_50_and_what_it_brings_is_known(house):
    before = house.standin.last_number()
    answer = house.get("/spotify/v1/search?q=fifty&type=track&limit=10")
    found = [value["id"] for value in answer.json()["tracks"]["items"]]
    calls = house.standin.calls(since=before)
    assert len(calls) == 1 and "limit=50" in calls[0]["query"]
    whole = house.get("/spotify/v1/search?q=fifty&type=track&limit=50").json()["tracks"]
    assert [value["id"] for value in whole["items"]][:10] == found and len(whole["items"]) == min(50, whole["total"])
    assert house.get(f"/spotify/v1/tracks/{whole['items'][-1]['id']}").status == 200
    assert len(house.standin.calls(since=before)) == 1


def test_free_places_go_to_what_falls_due_soonest(new_house):
    house = new_house("places", workers=1, mode="extended", batches=True, SPOTIFY_MIN_INTERVAL="50ms", SPOTIFY_CACHE_TTL="30s")
    known = [track(f"used {n}") for n in range(5)]
    assert {answer.status for answer in house.at_once(known)} == {200}
    # That they are used is written down after some seconds.
    house.at_once(known)
    names = {path.rsplit("/", 1)[1] for path in known}

    def rides():
        house.get(track(f"new {time.monotonic_ns()}"))
        return names <= set(house.standin.calls(BATCH)[-1]["query"].removeprefix("ids=").replace("%2C", ",").split(","))
    eventually(rides, 90, every=2, what="what is used rides along")
