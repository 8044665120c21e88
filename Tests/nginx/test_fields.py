"""What development mode removed is there again, everywhere and at no one's cost; what extended mode says is not touched."""

import pytest

import measure_fields
from harness.house import assert_spotify_error, cache_status
from harness.waiting import eventually


def test_the_tables_of_fields_are_what_is_measured_and_nothing_is_missing():
    measured = measure_fields.tables()
    assert measured == measure_fields.PAGE.written, "run Tests/nginx/measure_fields.py"
    rows = [line.split("|") for line in measured.splitlines() if line.startswith("| `/spotify/v1/")]
    assert len(rows) == 14 and {row[3].strip() for row in rows} == {"nothing"}


@pytest.fixture(scope="module")
def extended(open_house):
    """Two programs before one account in extended mode: what one fetched the other has, with and without filling."""
    house = open_house("fields-extended", workers=1, mode="extended", SPOTIFY_CACHE_TTL="10m")
    house.names = {kind: house.standin.ids(kind, 1, more_than=3 if kind != "track" else -1, seed="fields")[0]
                   for kind in ("track", "album", "artist", "playlist")}
    house.names["closed"] = house.standin.ids("playlist", 1, more_than=3, seed="fields-closed")[0]  # closed to nobody here
    return house


def test_answers_of_extended_mode_are_the_same_with_filling_and_without(extended):
    paths = [f"/spotify/v1/{measure_fields._named(path, extended.names)}?" + "&".join(
        f"{key}={measure_fields._named(value, extended.names).replace(' ', '+')}" for key, value in query.items())
        for path, query in measure_fields.ROUTES]
    filled = [extended.get(path) for path in paths]
    extended.responder.restart(SPOTIFY_FILL_REMOVED_FIELDS="off")
    plain = [extended.get(path) for path in paths]
    assert [answer.status for answer in filled + plain] == [200] * 28
    for one, other in zip(filled, plain):
        assert "hit" in cache_status(other)
        assert one.body == other.body and one.headers["etag"] == other.headers["etag"]


def test_the_filled_form_follows_the_record(new_house):
    house = new_house("fields-renewed", workers=2, mode="development", SPOTIFY_CACHE_TTL="1s")
    path = f"/spotify/v1/tracks/{house.standin.ids('track')[0]}"
    first = house.get(path).json()
    assert first["popularity"] == 0
    house.standin.control("revision")
    renewed = eventually(lambda: (got := house.get(path).json())["name"] != first["name"] and got, 10, every=0.2, what="the new name")
    assert renewed["popularity"] == 0 and renewed["album"]["available_markets"] == []


def test_a_playlist_whose_items_are_its_owners_alone_is_one_without_items_for_who_needs_a_page(new_house):
    house = new_house("fields-closed", workers=1, mode="development", user="user7")
    name = house.standin.ids("playlist", 1, more_than=20, closed=True)[0]
    path = f"/spotify/v1/playlists/{name}"
    answer = house.get(path)
    for part in ("items", "tracks"):
        page = answer.json()[part]
        assert (page["items"], page["total"], page["next"]) == ([], 0, None)
        assert page["href"] == f"http://127.0.0.1:{house.port}{path}/{part}?offset=0&limit=100"
        assert_spotify_error(house.get(f"{path}/{part}"), 403)
        assert_spotify_error(house.get(page["href"].partition(f":{house.port}")[2]), 403)
    assert house.get(path, {"If-None-Match": answer.headers["etag"]}).status == 304
    knowing = house.get(f"{path}?additional_types=track,episode", {"If-None-Match": answer.headers["etag"]})
    assert knowing.status == 200 and knowing.json()["items"]["href"].endswith("&additional_types=track,episode")
    assert house.get(f"{path}?fields=tracks.total").json() == {"tracks": {"total": 0}}
    house.responder.restart(SPOTIFY_FILL_REMOVED_FIELDS="off")
    assert not {"items", "tracks"} & set(house.get(path).json())
    assert house.get(path, {"If-None-Match": answer.headers["etag"]}).status == 200
