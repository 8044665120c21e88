"""Links that the mirror writes are links that it reads: every one is followed, from each kind of answer, to the last page and back."""

import re

import pytest

from harness.house import BRISK, assert_spotify_error

LINKS = ("href", "next", "previous")
#: Where a client finds it: the mirror's own path, and that of Spotify on a host name of its own.
PLACES = ["/spotify/v1", "/v1"]


@pytest.fixture(scope="module", params=["development", "extended"])
def house(open_house, request):
    return open_house(f"links-{request.param}", workers=2, mode=request.param, user="user7", **{**BRISK, "SPOTIFY_MIN_INTERVAL": "1ms"},
                      nginx_server=["include swingmusic-fcgi/spotify-host.conf;"])


def routes(house):
    """Every kind of answer that has links, of things that are longer than one page where there are such."""
    def of(kind, **more):
        return house.standin.ids(kind, 1, seed="links", **more)[0]
    album, artist, show, book = of("album", more_than=50), of("artist", more_than=50), of("show", more_than=50), of("audiobook", more_than=50)
    playlist, talk = of("playlist", more_than=150), of("playlist", more_than=100, episode=True)
    return [
        f"albums/{album}", f"albums/{album}/tracks", f"albums/{album}/tracks?limit=50&market=SE", f"albums/{album}?market=SE",
        f"artists/{artist}/albums", f"artists/{artist}/albums?include_groups=album,single&limit=7&country=SE",
        f"shows/{show}?market=US", f"shows/{show}/episodes?market=US&limit=9", f"audiobooks/{book}?country=US", f"audiobooks/{book}/chapters?market=US",
        f"playlists/{playlist}", f"playlists/{playlist}/items?limit=30", f"playlists/{playlist}/tracks",
        f"playlists/{talk}?additional_types=track,episode", f"playlists/{talk}/items?additional_types=track%2Cepisode&limit=60",
        f"playlists/{talk}/tracks?fields=href,items(track(id,album(!images))),next,previous,offset,limit,total",
        "search?q=Velvet+Harbour&type=track,album,artist,playlist,show,episode,audiobook&market=US&limit=13",
        "search?q=roadhouse%20NOT%20%22a%2Bb%22%20%C4%B0%26%20100%25&type=track&limit=50", "search?query=neon++bones&type=playlist",
        f"albums?ids={album}", f"shows?ids={show}&market=US",
    ]


def pages(value):
    """The paging objects of an answer, at any depth."""
    if isinstance(value, list):
        return [page for element in value for page in pages(element)]
    if not isinstance(value, dict):
        return []
    own = [value] if {"href", "next", "previous", "offset", "limit"} <= value.keys() else []
    return own + [page for member in value.values() for page in pages(member)]


def links(value, base):
    if isinstance(value, list):
        return [link for element in value for link in links(element, base)]
    if not isinstance(value, dict):
        return []
    own = [value[name] for name in LINKS if str(value.get(name, "")).startswith(base)]
    return own + [link for member in value.values() for link in links(member, base)]


def follow(house, base, link):
    """The one paging object behind a link."""
    assert link.startswith(base), link
    answer = house.get(link[len(f"http://127.0.0.1:{house.port}"):])
    assert answer.status == 200, (link, answer)
    return pages(answer.json())[0]


@pytest.mark.parametrize("place", PLACES)
def test_every_link_leads_to_an_answer_and_every_list_to_its_end_and_back(house, place):
    base = f"http://127.0.0.1:{house.port}{place}/"
    for route in routes(house):
        answer = house.get(f"{place}/{route}")
        assert answer.status == 200, (route, answer)
        found = links(answer.json(), base)
        assert found, f"{route} has links of the mirror's own"
        # In development mode the items of others' playlists, which a search finds, are for nobody.
        closed = house.standin.mode == "development" and route.startswith("search")
        for link in set(found):
            status = house.get(link[len(f"http://127.0.0.1:{house.port}"):]).status
            assert status == 200 or status == 403 and closed and "/playlists/" in link, (route, link, status)
        for page in pages(answer.json()):
            if page["href"].startswith(base):
                to_the_end_and_back(house, base, route, page)


def to_the_end_and_back(house, base, route, page):
    seen, start = len(page["items"]), page["offset"]
    while page["next"]:
        page = follow(house, base, page["next"])
        seen += len(page["items"])
    assert start + seen == min(page["total"], 1000 if route.startswith("search") else page["total"]), route
    while page["previous"]:
        page = follow(house, base, page["previous"])
    assert page["offset"] == 0, route


def test_no_link_of_the_mirrors_own_is_to_the_other_place(house):
    for place, other in (PLACES, PLACES[::-1]):
        for route in routes(house):
            text = house.get(f"{place}/{route}").body.decode()
            assert not re.search(rf'"http://127\.0\.0\.1:{house.port}{other}/', text), (place, route)


def test_the_same_record_has_tags_of_its_own_at_each_place(house):
    album = house.standin.ids("album", 1, seed="links", more_than=50)[0]
    tags = {place: house.get(f"{place}/albums/{album}").headers["etag"] for place in PLACES}
    assert len(set(tags.values())) == 2
    for place in PLACES:
        assert house.get(f"{place}/albums/{album}", {"If-None-Match": tags[place]}).status == 304


def test_while_the_program_is_away_the_bare_place_says_so_in_spotifys_words(new_house):
    house = new_house("links-away", start=False, nginx_server=["include swingmusic-fcgi/spotify-host.conf;"])
    answer = house.get("/v1/tracks/x")
    assert_spotify_error(answer, 502)
    assert answer.headers["retry-after"] == "5"
