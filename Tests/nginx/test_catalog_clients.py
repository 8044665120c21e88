"""spotipy and tekore as they come from PyPI: through the mirror of an account in development mode they get what Spotify would
give them in extended mode, but for values that exist nowhere any more."""

import pytest

from harness.spotify import API, Spotify, comparable

spotipy = pytest.importorskip("spotipy", reason="pip install -r Tests/nginx/requirements.txt")
tekore = pytest.importorskip("tekore", reason="pip install -r Tests/nginx/requirements.txt")
from tekore._client import base as tekore_base  # noqa: E402

KINDS = ("track", "album", "artist", "playlist")


@pytest.fixture(scope="module")
def house(open_house):
    house = open_house("clients", workers=2, mode="development", user="user7")
    house.spotify = Spotify(house.sandbox, mode="extended", user="user7").start()
    house.mirror = f"http://127.0.0.1:{house.port}/spotify/v1/"
    return house


class Ids:
    """Things large enough to need paging."""

    def __init__(self, spotify):
        self.tracks = spotify.ids("track", 50, seed="clients")
        self.album = spotify.ids("album", 1, more_than=50, seed="clients")[0]
        self.artist = spotify.ids("artist", 1, more_than=55, seed="clients")[0]
        self.playlist = spotify.ids("playlist", 1, more_than=200, seed="clients")[0]
        self.name = spotify.get(f"artists/{self.artist}")["name"]


@pytest.fixture(scope="module")
def ids(house):
    return Ids(house.spotify)


def to_the_end(first, following):
    """All pages; `following` asks for the next one."""
    pages = [first]
    while len(pages) < 20 and (page := following(pages[-1])):
        pages.append(page)
    return pages


class Spotipy:
    """What a program that uses spotipy does."""

    def __init__(self, prefix, token):
        self.client = spotipy.Spotify(auth=token, retries=0, requests_timeout=60)
        self.client.prefix = prefix

    def pages(self, first):
        def following(page):
            # The second stand-in's links are Spotify's own; they lead back to it. The mirror's lead to the mirror.
            here = page["next"] and page["next"].replace(API + "/", self.client.prefix)
            assert not here or here.startswith(self.client.prefix)
            return self.client.next({"next": here})
        return to_the_end(first, following)

    def track(self, ids): return self.client.track(ids.tracks[0])
    def tracks(self, ids): return self.client.tracks(ids.tracks)
    def album(self, ids): return self.client.album(ids.album)
    def album_tracks(self, ids): return self.pages(self.client.album_tracks(ids.album, limit=20))
    def artist(self, ids): return self.client.artist(ids.artist)
    def artist_albums(self, ids): return self.pages(self.client.artist_albums(ids.artist, limit=20))
    def artist_singles(self, ids): return self.pages(self.client.artist_albums(ids.artist, include_groups="single,appears_on"))
    def artist_top_tracks(self, ids): return self.client.artist_top_tracks(ids.artist)
    def playlist(self, ids): return self.client.playlist(ids.playlist)
    def playlist_items(self, ids): return self.pages(self.client.playlist_items(ids.playlist, limit=50))
    def playlist_tracks(self, ids): return self.pages(self.client.playlist_tracks(ids.playlist, limit=100))
    def search(self, ids): return self.client.search(ids.name, limit=50, type=",".join(KINDS))
    def search_further(self, ids): return self.client.search("Broken Été", limit=50, offset=45, type="track,playlist")
    def search_in_a_market(self, ids): return self.client.search("blue sky", limit=50, market="SE")
    def track_in_a_market(self, ids): return self.client.track(ids.tracks[1], market="SE")


class Tekore:
    """The same with tekore, whose types refuse objects that lack a field."""

    def __init__(self, prefix, token):
        self.prefix, self.client = prefix, tekore.Spotify(token, sender=BothNames(tekore.SyncSender()))

    def pages(self, first):
        def following(page):
            here = page.next and page.next.replace(API + "/", self.prefix)
            assert not here or here.startswith(self.prefix)
            return self.client.next(page.model_copy(update={"next": here}))
        return to_the_end(first, following)

    def track(self, ids): return self.client.track(ids.tracks[0])
    def tracks(self, ids): return self.client.tracks(ids.tracks)
    def album(self, ids): return self.client.album(ids.album)
    def album_tracks(self, ids): return self.pages(self.client.album_tracks(ids.album, limit=20))
    def artist(self, ids): return self.client.artist(ids.artist)
    def artist_albums(self, ids): return self.pages(self.client.artist_albums(ids.artist, limit=20))
    def artist_top_tracks(self, ids): return self.client.artist_top_tracks(ids.artist, "SE")
    def playlist(self, ids): return self.client.playlist(ids.playlist)
    def playlist_items(self, ids): return self.pages(self.client.playlist_items(ids.playlist, limit=50))
    def search(self, ids): return self.client.search(ids.name, types=KINDS, limit=50)


class BothNames(tekore.Sender):
    """tekore 6.2 wants a playlist's page under both its names, and the second stand-in knows only the old one. What the mirror
    says is left as it is."""

    def __init__(self, sender):
        self.sender = sender
        super().__init__()

    @property
    def is_async(self):
        return False

    def send(self, request):
        response = self.sender.send(request)
        if "/spotify/v1/" not in request.url:
            self.complete(response.content)
        return response

    def complete(self, value):
        if isinstance(value, list):
            for element in value:
                self.complete(element)
        elif isinstance(value, dict):
            if value.get("type") == "playlist":
                value.setdefault("items", value["tracks"])
            for element in value.values():
                self.complete(element)

    def close(self):
        self.sender.close()


def plain(value):
    """tekore's objects as dictionaries."""
    if isinstance(value, (list, tuple)):
        return [plain(element) for element in value]
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def methods(client):
    return [name for name in vars(client) if not name.startswith("_") and name != "pages"]


@pytest.mark.parametrize("method", methods(Spotipy))
def test_spotipy_gets_what_extended_mode_would_give(house, ids, method):
    mirror = Spotipy(house.mirror, "whatever")
    spotify = Spotipy(f"{house.spotify.url}/v1/", house.spotify.token)
    got, wanted = getattr(mirror, method)(ids), getattr(spotify, method)(ids)
    assert comparable(got) == comparable(wanted)


@pytest.mark.parametrize("method", methods(Tekore))
def test_tekore_gets_what_extended_mode_would_give(house, ids, method, monkeypatch):
    def ask(prefix, token):
        monkeypatch.setattr(tekore_base, "prefix", prefix)
        return comparable(plain(getattr(Tekore(prefix, token), method)(ids)))
    assert ask(house.mirror, "whatever") == ask(f"{house.spotify.url}/v1/", house.spotify.token)


def test_what_is_filled_in_is_neutral(house, ids):
    mirror = Spotipy(house.mirror, "whatever")
    track, artist, playlist = mirror.track(ids), mirror.artist(ids), mirror.playlist(ids)
    assert (track["popularity"], track["available_markets"], track["album"]["available_markets"]) == (0, [], [])
    assert (artist["popularity"], artist["followers"]["total"], playlist["followers"]["total"]) == (0, 0, 0)


def test_nothing_is_filled_in_where_that_is_switched_off(new_house):
    house = new_house("unfilled", workers=1, mode="development", SPOTIFY_FILL_REMOVED_FIELDS="off")
    name = house.standin.ids("track")[0]
    track = house.get(f"/spotify/v1/tracks/{name}").json()
    assert "popularity" not in track and "available_markets" not in track


def test_a_paging_program_sees_each_item_once(house, ids):
    mirror = Spotipy(house.mirror, "whatever")
    for pages, whole in ((mirror.album_tracks(ids), 51), (mirror.artist_albums(ids), 56), (mirror.playlist_items(ids), 201)):
        found = [item for page in pages for item in page["items"]]
        assert len(found) == pages[0]["total"] >= whole and pages[-1]["next"] is None


def test_errors_are_the_clients_own(house):
    with pytest.raises(spotipy.SpotifyException) as error:
        spotipy.Spotify(auth="whatever", retries=0)._get(house.mirror + "tracks/0000000000000000000000")
    assert error.value.http_status == 404
