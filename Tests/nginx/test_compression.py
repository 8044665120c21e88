"""JSON is compressed on its way through nginx, for who asks for it, and its ETags go on working."""

import gzip

import pytest

from harness.house import ADMIN

COMPRESSED = {"Accept-Encoding": "gzip"}


@pytest.fixture(scope="module")
def house(open_house):
    return open_house("compression", workers=1)


@pytest.fixture(scope="module")
def playlist(house):
    """The path of a long playlist that is known."""
    name = house.standin.ids("playlist", 1, more_than=99, seed="compression")[0]
    return f"/spotify/v1/playlists/{name}"


@pytest.fixture(scope="module")
def paths(playlist):
    return {"the mirror": playlist, "the catalog": playlist.replace("/spotify/v1/playlists", "/api/catalog/playlist"),
            "the description": "/swingmusic-fcgi/openapi.json", "the status": "/swingmusic-fcgi/status.json",
            "the metrics": "/swingmusic-fcgi/metrics"}


@pytest.mark.parametrize("name", ["the mirror", "the catalog", "the description", "the status", "the metrics"])
def test_what_is_long_is_compressed_for_who_asks_and_the_same_for_all(house, paths, name):
    plain = house.get(paths[name], ADMIN)
    packed = house.get(paths[name], {**ADMIN, **COMPRESSED})
    assert (plain.status, packed.status) == (200, 200)
    assert packed.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
    assert len(packed.body) * 2 < len(plain.body)
    # Status and metrics have changed meanwhile.
    assert gzip.decompress(packed.body) == plain.body or name in ("the status", "the metrics")
    for answer in (plain, packed):
        assert "accept-encoding" in answer.headers["vary"].lower()


def test_a_compressed_answers_etag_is_good_for_a_question_whether_it_has_changed(house, playlist):
    plain, packed = house.get(playlist), house.get(playlist, COMPRESSED)
    assert packed.headers["etag"] == f'W/{plain.headers["etag"]}'
    for etag in (plain.headers["etag"], packed.headers["etag"]):
        for headers in ({}, COMPRESSED):
            again = house.get(playlist, {**headers, "If-None-Match": etag})
            assert again.status == 304 and again.body == b""
    assert house.get(playlist, {"If-None-Match": '"other"'}).status == 200


def test_a_client_behind_another_proxy_gets_it_compressed_too(house, playlist):
    assert house.get(playlist, {**COMPRESSED, "Via": "1.1 elsewhere"}).headers["content-encoding"] == "gzip"


def test_an_error_is_short_and_stays_as_it_is(house):
    assert "content-encoding" not in house.get("/spotify/v1/nothing", COMPRESSED).headers
