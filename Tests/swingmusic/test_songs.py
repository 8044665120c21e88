"""Songs of the real swingmusic in pieces: the bytes and headers of swingmusic's own answers, whoever is slow."""

import statistics

import pytest

from caller import Caller
from house import credentials
from server import MEGABYTE

#: Headers of the request; what is asked for of a song of 25 MB.
RANGES = ["bytes=0-", "bytes=0-0", "bytes=0-99", "bytes=2097151-2097152", "bytes=5000000-9999999", "bytes=26214000-99999999", "bytes=-5",
          "bytes=26214443-", "bytes=999999999-", "bytes=-0"]
COMPARED = ("content-type", "content-length", "content-range", "content-disposition", "etag", "last-modified", "cache-control")


@pytest.fixture(scope="module")
def path(real):
    return real.song_path(2)


def both(real, method, path, headers):
    """swingmusic's own answer and nginx's."""
    headers = {**headers, **credentials(real.tokens["user0"])}
    return real.swingmusic.ask(method, path, headers), real.ask(method, path, headers=headers)


def assert_same(own, ours):
    assert ours.status == own.status
    if own.status == 416:
        # Of a range that a song does not have nginx may say so in its own words.
        assert ours.headers["content-range"] == own.headers["content-range"]
        return
    assert {name: ours.headers.get(name) for name in COMPARED} == {name: own.headers.get(name) for name in COMPARED}
    assert ours.body == own.body


@pytest.mark.parametrize("wanted", [None, *RANGES])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_range_is_as_swingmusic_itself_answers_it(real, path, method, wanted):
    own, ours = both(real, method, path, {"Range": wanted} if wanted else {})
    if method == "HEAD":
        # nginx answers a HEAD of a range as it would the whole: RFC 9110, 14.2, defines ranges for GET alone.
        assert ours.status in (own.status, 200) and ours.body == b""
    else:
        assert_same(own, ours)


@pytest.mark.parametrize("wanted", ["bytes=0-1,4-5", "rubbish", "lines=1-2"])
def test_several_ranges_at_once_and_what_is_none_may_be_answered_whole(real, path, wanted):
    ours = real.get(path, real.tokens["user0"], headers={"Range": wanted})
    assert ours.status == 200 and len(ours.body) == 25 * MEGABYTE + 44


@pytest.fixture(scope="module")
def etag(real, path):
    return real.ask("HEAD", path, real.tokens["user0"]).headers["etag"]


@pytest.mark.parametrize("wanted", [None, "bytes=5-9"])
@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', '"other"', "*"])
def test_a_song_that_is_known_is_as_swingmusic_itself_answers_it(real, path, etag, form, wanted):
    headers = {"If-None-Match": form.format(etag), **({"Range": wanted} if wanted else {})}
    own, ours = both(real, "GET", path, headers)
    assert ours.status == own.status and ours.body == own.body
    assert ours.headers.get("etag") == own.headers.get("etag")


@pytest.mark.parametrize("header", ["If-Modified-Since", "If-Unmodified-Since"])
@pytest.mark.parametrize("date", ["own", "Thu, 01 Jan 1970 00:00:00 GMT", "rubbish"])
def test_a_song_that_is_asked_for_by_its_date_is_as_swingmusic_itself_answers_it(real, path, header, date):
    own_date = real.ask("HEAD", path, real.tokens["user0"]).headers["last-modified"]
    own, ours = both(real, "GET", path, {header: own_date if date == "own" else date})
    assert (ours.status, ours.body) == (own.status, own.body)


def test_a_song_that_must_be_the_known_one_is_refused_when_it_is_not(real, path, etag):
    for form in (etag, '"other"', "*"):
        own, ours = both(real, "GET", path, {"If-Match": form})
        assert ours.status == own.status


def test_songs_that_come_whole_are_three_in_all_and_count_among_a_users_songs(real):
    path = real.song_path(0)
    callers = [Caller(real.nginx.port, path, real.tokens["user0"], headers={"If-None-Match": '"other"'}) for _ in range(4)]
    assert [caller.status for caller in callers] == [200, 200, 200, 429]
    answers = [real.get("/nothome/?limit=9", real.tokens["user1"]) for _ in range(20)]
    assert statistics.median(answer.seconds for answer in answers) < 0.1
    more = [Caller(real.nginx.port, path, real.tokens["user0"]) for _ in range(30)]
    assert [caller.status for caller in more] == [200] * 29 + [429]
    for caller in callers + more:
        caller.close()


@pytest.mark.parametrize("header, form, status", [
    ("If-Range", "{}", 206), ("If-Range", '"other"', 200), ("If-Match", "{}", 206)])
def test_a_range_of_a_song_that_has_changed_is_not_given_out_for_one_of_the_known_song(real, path, etag, header, form, status):
    own, ours = both(real, "GET", path, {header: form.format(etag), "Range": "bytes=3000000-3000009"})
    assert (ours.status, own.status) == (status, status) and own.body == ours.body


@pytest.mark.parametrize("wanted", [{}, {"Range": "bytes=0-9"}, {"If-None-Match": '"x"'}, {"If-None-Match": '"x"', "Range": "bytes=0-9"}])
def test_no_way_to_a_song_passes_the_guard(real, path, wanted):
    for headers in (wanted, {**wanted, **credentials("rubbish")}, {**wanted, **credentials(cookie="rubbish")}):
        for method in ("GET", "HEAD"):
            answer = real.ask(method, path, headers=headers)
            assert answer.status == 401 and "etag" not in answer.headers


def test_what_is_no_song_is_answered_in_swingmusics_words(real):
    for wrong in ("/file/x/legacy?filepath=/etc/passwd", "/file/x/legacy", "/file/x", "/file/"):
        own, ours = both(real, "GET", wrong, {"If-None-Match": '"x"'})
        assert (ours.status, ours.body) == (own.status, own.body)


def test_what_is_asked_of_songs_by_post_arrives(real):
    body = {"ending_file": real.songs[0]["filepath"], "starting_file": real.songs[1]["filepath"]}
    ours = real.post("/file/silence", body, real.tokens["user0"])
    own = real.post("/file/silence", body, real.tokens["user0"], port=real.swingmusic.port)
    assert (ours.status, ours.body) == (own.status, own.body)
