"""Bad input is answered in the family's own error shape, at once, and never asks Spotify."""

import pytest

from harness.fastcgi import FastCGIConnection, begin, pair, record, records, PARAMS, STDIN
from harness.house import assert_plain_error, assert_spotify_error, track
from harness.standin import spotify_id

GOOD = spotify_id("good")


@pytest.fixture(scope="module")
def house(open_house):
    house = open_house("bad-input")
    house.known = house.fill()[0]
    return house


@pytest.fixture(autouse=True)
def no_call_to_spotify(house):
    before = house.standin.last_number()
    yield
    assert house.standin.calls(since=before, on="all") == []


@pytest.mark.parametrize("name", [
    "short", GOOD[:-1], GOOD + "0", GOOD[:-1] + "-", GOOD[:-1] + "%C3%A9", GOOD[:-1] + "%FF", GOOD[:-1] + "%0D%0A",
    "a" * 2000,
], ids=str)
@pytest.mark.parametrize("kind", ["tracks", "albums", "artists"])
def test_a_malformed_id_is_400(house, kind, name):
    answer = house.get(f"/spotify/v1/{kind}/{name}")
    assert_spotify_error(answer, 400)


@pytest.mark.parametrize("path", [
    "/spotify/v1/nonsense", f"/spotify/v1/nonsense/{GOOD}", f"/spotify/v1/tracks/{GOOD}/nonsense", "/spotify/v1/",
])
def test_an_unknown_path_is_404(house, path):
    assert_spotify_error(house.get(path), 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "PROPFIND"])
def test_a_wrong_method_is_405_with_allow(house, method):
    answer = house.request(method, track("good"))
    assert_spotify_error(answer, 405)
    assert {part.strip() for part in answer.headers["allow"].split(",")} >= {"GET", "HEAD"}


def test_a_body_over_64_kib_is_413(house):
    assert_spotify_error(house.request("GET", house.known, body=b"x" * 70_000), 413)


def test_a_small_body_that_nobody_asked_for_is_no_harm(house):
    assert house.request("GET", house.known, body=b"who asked").status == 200


def test_a_cache_body_over_one_mebibyte_is_413_in_the_familys_shape(house):
    answer = house.admin("PUT", "/cache/temp/too-large", b"x" * (1024 * 1024 + 1))
    assert_plain_error(answer, 413)
    assert house.admin("GET", "/cache/temp/too-large").status == 404


def test_a_cache_body_of_exactly_one_mebibyte_is_taken(house):
    value = bytes(range(256)) * 4096
    assert house.admin("PUT", "/cache/temp/largest", value).status in (200, 201, 204)
    assert house.admin("GET", "/cache/temp/largest").body == value


@pytest.mark.parametrize("path", ["/cache/", "/cache/nonsense/key", "/cache/nonsense", "/dragonfly/nonsense",
                                  "/swingmusic-fcgi/nonsense"])
def test_unknown_paths_of_the_other_families_are_404_in_their_shape(house, path):
    assert_plain_error(house.admin("GET", path), 404)


@pytest.mark.parametrize("method, path", [
    ("PATCH", "/cache/temp/key"), ("PUT", "/cache/temp"), ("POST", "/dragonfly/health"),
    ("GET", "/dragonfly/clear-all"), ("DELETE", "/swingmusic-fcgi/healthz"),
])
def test_wrong_methods_of_the_other_families_are_405_in_their_shape(house, method, path):
    answer = house.admin(method, path)
    assert_plain_error(answer, 405)
    assert answer.headers["allow"]


@pytest.mark.parametrize("ttl", ["", "0", "12", "-1s", "1.5h", "5%20s", "9999999999999999999d", "1y", "abc", "%00"])
def test_a_malformed_ttl_is_400(house, ttl):
    assert_plain_error(house.admin("PUT", f"/cache/temp/key?ttl={ttl}", b"value"), 400)


def test_a_key_of_512_bytes_is_taken_and_one_of_513_refused(house):
    assert house.admin("PUT", "/cache/temp/" + "k" * 512, b"value").status in (200, 201, 204)
    assert house.admin("GET", "/cache/temp/" + "k" * 512).body == b"value"
    for method in ("GET", "PUT", "DELETE"):
        assert_plain_error(house.admin(method, "/cache/temp/" + "k" * 513, b"value" if method == "PUT" else b""), 400)


def test_a_header_that_is_smuggled_into_a_value_is_not_sent(house):
    answer = house.get(house.known + "?x=%0d%0aX-Smuggled:%20yes", {"If-None-Match": "\"\x01\x02\""})
    assert "x-smuggled" not in answer.headers and answer.status == 200


@pytest.mark.parametrize("length", ["abc", "-5", "99999999999999999999", "1e3", " 7", "0x10"])
def test_a_content_length_that_is_no_number_is_answered_or_ended(house, length):
    """nginx never sends one; the socket is a door all the same."""
    with FastCGIConnection(house.responder.address, 10) as connection:
        connection.send(begin() + records(PARAMS, b"".join(pair(*one) for one in (
            ("REQUEST_METHOD", "GET"), ("DOCUMENT_URI", house.known), ("CONTENT_LENGTH", length)))) + record(STDIN))
        answer = connection.receive_answer()
    assert answer is None or answer.status in (200, 400, 413)


def test_hits_are_answered_after_all_that(house):
    assert house.get(house.known).status == 200
    assert len(house.responder.worker_pids()) == 4
