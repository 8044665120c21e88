"""The reads that development mode still has: what is spoken, pictures, episodes in playlists, `fields`, `country`, and what needs a user."""

import urllib.parse

import pytest

from harness.house import assert_spotify_error, cache_status
from harness.spotify import Spotify, mirrored
from harness.standin import missing_id

MARKET = "US"
SPOKEN = ["show", "episode", "audiobook", "chapter"]


@pytest.fixture(scope="module", params=["development", "extended"])
def house(open_house, request):
    house = open_house(f"reads-{request.param}", workers=2, mode=request.param, user="user7", SPOTIFY_FILL_REMOVED_FIELDS="off",
                       nginx_server=["include swingmusic-fcgi/spotify-host.conf;"])
    house.spotify = Spotify(house.sandbox, mode=request.param, user="user7").start()
    return house


def base(house):
    return f"http://127.0.0.1:{house.port}"


def quiet(house, before):
    return house.standin.calls(since=before) == []


# What is spoken.

@pytest.mark.parametrize("kind", SPOKEN)
def test_what_is_spoken_is_spotifys_own_and_asked_for_once(house, kind):
    name = house.spotify.ids(kind, 1, seed="spoken")[0]
    got = house.get(f"/spotify/v1/{kind}s/{name}?market={MARKET}")
    assert got.status == 200 and got.json() == mirrored(house.spotify.get(f"{kind}s/{name}", market=MARKET), base(house))
    before = house.standin.last_number()
    forms = [name, f"spotify:{kind}:{name}", f"https://open.spotify.com/{kind}/{name}", f"{name}%3Fsi=x"]
    forms += {"audiobook": [f"spotify:show:{name}"], "chapter": [f"spotify:episode:{name}"]}.get(kind, [])
    for form in forms:
        answer = house.get(f"/spotify/v1/{kind}s/{form}?market={MARKET}")
        assert answer.body == got.body and "hit" in cache_status(answer), form
    assert quiet(house, before)


@pytest.mark.parametrize("kind", SPOKEN)
def test_without_a_market_spotify_has_none_of_it_and_says_so(house, kind):
    name = house.spotify.ids(kind, 1, seed="nowhere")[0]
    assert assert_spotify_error(house.get(f"/spotify/v1/{kind}s/{name}"), 404) == "non existing id"
    assert house.get(f"/spotify/v1/{kind}s/{name}?country={MARKET}").status == 200


@pytest.mark.parametrize("kind", SPOKEN)
def test_batches_of_what_is_spoken_work_in_both_modes(house, kind):
    there = house.spotify.ids(kind, 3, seed="spoken-batch")
    asked = [there[2], missing_id(f"spoken-{kind}"), there[0]]
    answer = house.get(f"/spotify/v1/{kind}s?ids={','.join(asked)}&market={MARKET}")
    assert [one and one["id"] for one in answer.json()[f"{kind}s"]] == [there[2], None, there[0]]


@pytest.mark.parametrize("whole, part", [("show", "episodes"), ("audiobook", "chapters")])
def test_episodes_and_chapters_are_read_to_the_end(house, whole, part):
    name = house.spotify.ids(whole, 1, more_than=50, seed="parts")[0]
    wanted = house.spotify.pages(f"{whole}s/{name}/{part}", market=MARKET)
    items, offset = [], 0
    while offset < len(wanted):
        page = house.get(f"/spotify/v1/{whole}s/{name}/{part}?market={MARKET}&limit=17&offset={offset}").json()
        assert page["total"] == len(wanted)
        items, offset = items + page["items"], offset + 17
    assert items == wanted


@pytest.mark.parametrize("types", ["show", "episode", "audiobook", "track,show", "track,album,artist,playlist,show,episode,audiobook"])
def test_a_search_takes_every_kind_and_any_mixture(house, types):
    found = house.get(f"/spotify/v1/search?q=slow+river&type={types}&market={MARKET}&limit=10").json()
    wanted = house.spotify.get("search", q="slow river", type=types, market=MARKET, limit=10)
    assert found.keys() == wanted.keys()
    for key, page in wanted.items():
        assert (found[key]["total"], len(found[key]["items"])) == (page["total"], len(page["items"])) and page["total"] > 0
        if key != "playlists":
            assert found[key]["items"] == page["items"]


def test_a_search_for_totals_alone_costs_one_call(house):
    before = house.standin.last_number()
    found = house.get("/spotify/v1/search?q=totals&type=track,artist&limit=0").json()
    wanted = house.spotify.get("search", q="totals", type="track,artist", limit=0)
    assert {key: page["total"] for key, page in found.items()} == {key: page["total"] for key, page in wanted.items()}
    assert all(page["items"] == [] and page["next"] is None for page in found.values())
    assert len(house.standin.calls(since=before)) == 1


# What is typed is what is sent.

@pytest.mark.parametrize("typed", [
    "roadhouse NOT blues", "abba OR beatles", "İstanbul Ünlü", "  two  spaces ", "a+b c", "100% pure", "artist:\"Carly Rae\" year:2010-2015", "tag:new",
    "C&C Music = Factory?", "emoji 🔥 #1/2", "tab\there",
])
def test_spotify_is_asked_for_what_was_typed(house, typed):
    before = house.standin.last_number()
    assert house.get(f"/spotify/v1/search?{urllib.parse.urlencode({'q': typed, 'type': 'track'})}").status == 200
    asked = urllib.parse.parse_qs(house.standin.calls("search", since=before)[0]["query"])
    assert asked["q"] == [typed]


def test_operators_in_capitals_are_another_search_than_words(house):
    def first(typed):
        return house.get(f"/spotify/v1/search?{urllib.parse.urlencode({'q': typed, 'type': 'track', 'limit': 1})}").json()["tracks"]
    for one, other in (("slow NOT river", "slow not river"), ("slow OR river", "slow or river")):
        a, b = first(one), first(other)
        assert (a["total"], a["items"]) != (b["total"], b["items"])
        wanted = house.spotify.get("search", q=one, type="track", limit=1)["tracks"]
        assert (a["total"], a["items"]) == (wanted["total"], wanted["items"])
    before = house.standin.last_number()
    assert first("SLOW   NOT River")["items"] == first("slow NOT river")["items"] and quiet(house, before)


# Playlists.

def test_pictures_of_a_playlist(house):
    name = house.spotify.ids("playlist", 1, seed="pictures")[0]
    answer = house.get(f"/spotify/v1/playlists/{name}/images")
    assert answer.status == 200 and answer.json() == house.spotify.get(f"playlists/{name}/images")
    assert "hit" in cache_status(house.get(f"/spotify/v1/playlists/{name}/images"))
    assert_spotify_error(house.get(f"/spotify/v1/playlists/{missing_id('pictures')}/images"), 404)


def elements(answer, part):
    key = "item" if part == "items" else "track"
    return [element[key] for element in answer["items"]]


@pytest.mark.parametrize("part", ["items", "tracks"])
def test_episodes_are_episodes_for_who_knows_them_and_tracks_for_others(house, part):
    name = house.spotify.ids("playlist", 1, more_than=20, at_most=90, episode=True, seed=f"talk-{part}")[0]
    key = "items" if house.standin.mode == "development" else "tracks"
    for types in ("", "track", "track,episode", "episode"):
        query = {"additional_types": types} if types else {}
        wanted = elements(house.spotify.get(f"playlists/{name}", **query)[key], key)
        suffix = f"?additional_types={urllib.parse.quote(types)}" if types else ""
        assert elements(house.get(f"/spotify/v1/playlists/{name}/{part}{suffix}").json(), part) == wanted, types
        whole = house.get(f"/spotify/v1/playlists/{name}{suffix}").json()
        assert elements(whole["tracks"], "tracks") == elements(whole["items"], "items") == wanted, types
    assert any("show" in element for element in wanted if element), "it has an episode"
    assert len(house.standin.calls(name)) == 2, "one call for each form"


def test_who_knows_episodes_costs_nothing_more_where_there_are_none(house):
    name = house.spotify.ids("playlist", 1, more_than=110, seed="no-talk")[0]
    plain = house.get(f"/spotify/v1/playlists/{name}/items").json()
    before = house.standin.last_number()
    told = house.get(f"/spotify/v1/playlists/{name}/items?additional_types=track,episode").json()
    assert told["items"] == plain["items"] and quiet(house, before)
    assert house.get(f"/spotify/v1/playlists/{name}?additional_types=track,episode").status == 200 and quiet(house, before)


def test_an_episode_beyond_the_first_page_is_one_for_who_follows_the_links(new_house):
    house = new_house("later-episode", workers=1, mode="extended", user="user7")
    names = house.standin.ids("playlist", 6, more_than=20, at_most=40, episode=True, seed="later")
    house.standin.control("settings", {"playlist_limit": 3})
    first = [house.get(f"/spotify/v1/playlists/{name}?additional_types=track,episode").json()["tracks"] for name in names]
    house.standin.control("settings", {"playlist_limit": 100})

    def episodes(page):
        return sum("show" in (element["track"] or {}) for element in page["items"])
    plain = [page for page in first if not episodes(page)]
    assert plain
    for page in plain:
        found = 0
        while page["next"]:
            page = house.get(page["next"].partition(f":{house.port}")[2]).json()
            found += episodes(page)
        assert found == 1


def test_a_search_ends_where_spotifys_does(house):
    page = house.get("/spotify/v1/search?q=far+end&type=track&offset=1000").json()["tracks"]
    assert page["items"] == [] and page["next"] is None and page["offset"] == 1000
    assert assert_spotify_error(house.get("/spotify/v1/search?q=far+end&type=track&offset=1001"), 400) == "Invalid offset"
    for length in (251, 301):  # Spotify's own word, and the mirror's
        path = f"/spotify/v1/search?q={'x' * length}&type=track"
        assert assert_spotify_error(house.get(path), 400) == "Query exceeds maximum length of 250 characters"


@pytest.mark.parametrize("fields", [
    "name", "name,uri,owner.id", "description,external_urls(spotify)", "!images,!owner", "snapshot_id,KEY.total", "KEY(total,limit)",
    "KEY.items(added_at,added_by.id)", "KEY.items(ELEMENT(name,href,album(name,href)))", "KEY.items.ELEMENT.album(!images,!artists)",
    "KEY.items(ELEMENT(name,album(!name,href))),name", "nothing",
])
def test_fields_choose_what_spotify_would(house, fields):
    key = "items" if house.standin.mode == "development" else "tracks"
    fields = fields.replace("KEY", key).replace("ELEMENT", key[:-1])
    name = house.spotify.ids("playlist", 1, more_than=10, at_most=100, seed="fields")[0]
    got, wanted = house.get(f"/spotify/v1/playlists/{name}?fields={fields}").json(), house.spotify.get(f"playlists/{name}", fields=fields)
    if fields.startswith("!"):  # a playlist has its page under both names here
        got.pop({"items": "tracks", "tracks": "items"}[key])
    assert got == mirrored(wanted, base(house))
    inner = fields.replace(f"{key}.", "")
    if fields.startswith(f"{key}.items"):
        page = house.get(f"/spotify/v1/playlists/{name}/{key}?limit=7&fields={inner}").json()
        assert page == house.spotify.get(f"playlists/{name}/{key}", limit=7, fields=inner)


def test_fields_cost_no_call_and_bad_ones_are_refused(house):
    name = house.spotify.ids("playlist", 1, more_than=10, at_most=100, seed="fields")[0]
    assert house.get(f"/spotify/v1/playlists/{name}").status == 200
    before = house.standin.last_number()
    answer = house.get(f"/spotify/v1/playlists/{name}?fields=name")
    assert list(answer.json()) == ["name"] and "hit" in cache_status(answer)
    for bad in ("name(", "a..b", ",", "a)"):
        assert assert_spotify_error(house.get(f"/spotify/v1/playlists/{name}?fields={bad}"), 400) == "Invalid fields"
        assert house.spotify.ask(f"playlists/{name}", fields=bad)[0] == 400
    assert house.get(f"/spotify/v1/playlists/{name}?fields=").json() == house.get(f"/spotify/v1/playlists/{name}").json()
    assert quiet(house, before)


def test_a_playlist_may_be_named_with_its_owner(house):
    name = house.spotify.ids("playlist", 1, seed="owned")[0]
    plain, item = house.get(f"/spotify/v1/playlists/{name}"), house.get(f"/api/catalog/playlist/{name}")
    before = house.standin.last_number()
    for form in (f"spotify:user:napster:playlist:{name}", f"https://open.spotify.com/user/napster/playlist/{name}",
                 f"https://open.spotify.com/embed/playlist/{name}", f"HTTPS://open.spotify.com/intl-de/playlist/{name}", f"{name}%3Fsi=f18f0afca2b34d84",
                 f"http://play.spotify.com/user/spotify/playlist/{name}"):
        assert house.get(f"/spotify/v1/playlists/{form}").body == plain.body, form
        assert house.get(f"/api/catalog/playlist/{form}").json() == item.json(), form
        assert house.get(f"/spotify/v1/playlists/{form}/items").status == house.get(f"/spotify/v1/playlists/{name}/items").status, form
    assert house.get(f"/spotify/v1/users/napster/playlists/{name}").body == plain.body
    assert quiet(house, before)


# Names of before, and what is not here.

def test_a_country_is_a_market_by_its_older_name(house):
    artist, album = house.spotify.ids("artist", 1, seed="country")[0], house.spotify.ids("album", 1, seed="country")[0]
    for path in (f"artists/{artist}/albums", f"albums/{album}/tracks"):
        assert house.get(f"/spotify/v1/{path}?country=SE").json()["items"] == house.spotify.get(path, market="SE")["items"]
        before = house.standin.last_number()
        assert "hit" in cache_status(house.get(f"/spotify/v1/{path}?market=SE&country=NO")) and quiet(house, before)
    assert_spotify_error(house.get(f"/spotify/v1/albums/{album}?country=sweden"), 400)


@pytest.mark.parametrize("place", ["/spotify/v1", "/v1"])
def test_what_needs_a_user_and_what_is_closed_say_so_and_cost_nothing(house, place):
    before = house.standin.last_number()
    for method, path in (("GET", "me"), ("GET", "me/playlists"), ("PUT", "me/tracks?ids=x"), ("POST", "playlists/x/items"), ("PUT", "playlists/x/followers")):
        answer = house.request(method, f"{place}/{path}")
        assert "user authentication" in assert_spotify_error(answer, 401) and "Bearer" in answer.headers["www-authenticate"]
    for path in ("markets", "browse/new-releases", "users/napster", "recommendations?seed_genres=pop"):
        assert_spotify_error(house.get(f"{place}/{path}"), 403)
        if house.standin.mode == "development":
            assert house.spotify.ask(path.partition("?")[0])[0] == 403
    assert_spotify_error(house.request("POST", f"{place}/search"), 405)
    assert quiet(house, before)


# One bad part.

def test_a_page_that_spotify_refuses_leaves_what_is_known(new_house):
    house = new_house("bad-part", workers=1, mode="extended")
    name = house.standin.ids("playlist", 1, more_than=160, at_most=200, seed="bad")[0]
    total = house.get(f"/spotify/v1/playlists/{name}").json()["tracks"]["total"]
    house.standin.fail({"behaviour": "status", "path": "offset=100", "status": 404, "message": "Not found."})
    item = house.get(f"/api/catalog/playlist/{name}", {"Prefer": "wait=5"}).json()
    assert 100 <= len(item["tracks"]) < total and item["tracks_total"] == total and "pending" not in item
    across = house.get(f"/spotify/v1/playlists/{name}/tracks?offset=80&limit=80").json()
    assert len(across["items"]) == 30 and across["total"] == total
    assert_spotify_error(house.get(f"/spotify/v1/playlists/{name}/tracks?offset=100&limit=50"), 404)


def test_a_page_in_a_form_that_is_none_leaves_what_is_known_and_costs_one_call(new_house):
    house = new_house("formless", workers=1, mode="extended")
    name = house.standin.ids("playlist", 1, more_than=160, at_most=200, seed="formless")[0]
    total = house.get(f"/spotify/v1/playlists/{name}").json()["tracks"]["total"]
    house.standin.fail({"behaviour": "status", "path": "offset=100", "status": 200, "body": "{\"items\": 7}"})
    across = house.get(f"/spotify/v1/playlists/{name}/tracks?offset=80&limit=40").json()
    assert len(across["items"]) == 20 and across["total"] == total
    assert "unknown form" in assert_spotify_error(house.get(f"/spotify/v1/playlists/{name}/tracks?offset=100&limit=50"), 502)
    assert len(house.standin.calls("offset=100")) == 1


def test_beyond_a_known_end_nothing_is_asked(house):
    artist = house.spotify.ids("artist", 1, at_most=40, seed="end")[0]
    known = house.get(f"/spotify/v1/artists/{artist}/albums?limit=50").json()["total"]
    house.get("/spotify/v1/search?q=the+very+end&type=track&limit=1")
    total = house.spotify.get("search", q="the very end", type="track", limit=1)["tracks"]["total"]
    before = house.standin.last_number()
    for offset in (known, 50, 99_999):
        page = house.get(f"/spotify/v1/artists/{artist}/albums?limit=50&offset={offset}").json()
        assert (page["items"], page["total"], page["next"]) == ([], known, None)
    page = house.get(f"/spotify/v1/search?q=the+very+end&type=track&offset={total}").json()["tracks"]
    assert (page["items"], page["total"]) == ([], total)
    assert quiet(house, before)
