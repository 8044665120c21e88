"""spotipy: plain dictionaries. Its prefix and its time-out of 5 s are its own."""
import spotipy
from spotipy.cache_handler import MemoryCacheHandler

import key

PACKAGE = "spotipy"


def connect():
    credentials = spotipy.SpotifyClientCredentials(key.ID, key.SECRET, cache_handler=MemoryCacheHandler())
    return spotipy.Spotify(auth_manager=credentials)


def following(client, page):
    """All items of a page and of those after it."""
    items = list(page["items"])
    while page["next"]:
        page = client.next(page)
        page = next(iter(page.values())) if "items" not in page else page
        items += page["items"]
    assert len(items) == page["total"], f"{len(items)} of {page['total']} items"
    return items


def back(client, page):
    earlier = client.previous(page)
    assert earlier["offset"] < page["offset"]
    return earlier


def search(kind, **more):
    return lambda c, t: c.search(t.name, type=kind, limit=10, **more)[f"{kind}s"]["items"]


CALLS = {
    "track": lambda c, t: c.track(t.track),
    "track of a link": lambda c, t: c.track(f"https://open.spotify.com/track/{t.track}?si=x"),
    "track in a market": lambda c, t: c.track(t.track, market="SE"),
    "tracks": lambda c, t: c.tracks(t.tracks),
    "artist": lambda c, t: c.artist(f"spotify:artist:{t.artist}"),
    "artists": lambda c, t: c.artists(t.artists),
    "artist_albums": lambda c, t: c.artist_albums(t.artist, include_groups="album,single", country="SE", limit=20),
    "artist_albums to the end": lambda c, t: following(c, c.artist_albums(t.artist, limit=50)),
    "artist_top_tracks": lambda c, t: c.artist_top_tracks(t.artist)["tracks"],
    "artist_related_artists": lambda c, t: c.artist_related_artists(t.artist)["artists"],
    "album": lambda c, t: c.album(t.album),
    "albums": lambda c, t: c.albums(t.albums),
    "album_tracks": lambda c, t: c.album_tracks(t.album, limit=20),
    "album_tracks to the end": lambda c, t: following(c, c.album_tracks(t.album, limit=20)),
    "previous": lambda c, t: back(c, c.album_tracks(t.album, limit=20, offset=40)),
    "show": lambda c, t: c.show(t.show, market="US"),
    "shows": lambda c, t: c.shows(t.shows, market="US"),
    "show_episodes": lambda c, t: c.show_episodes(t.show, market="US"),
    "show_episodes to the end": lambda c, t: following(c, c.show_episodes(t.show, market="US", limit=20)),
    "episode": lambda c, t: c.episode(t.episode, market="US"),
    "episodes": lambda c, t: c.episodes(t.episodes, market="US"),
    "get_audiobook": lambda c, t: c.get_audiobook(t.audiobook, market="US"),
    "get_audiobooks": lambda c, t: c.get_audiobooks(t.audiobooks, market="US"),
    "get_audiobook_chapters": lambda c, t: c.get_audiobook_chapters(t.audiobook, market="US"),
    "search for tracks": search("track"),
    "search for albums": search("album"),
    "search for artists": search("artist"),
    "search for playlists": search("playlist"),
    "search for shows": search("show", market="US"),
    "search for episodes": search("episode", market="US"),
    "search for audiobooks": search("audiobook", market="US"),
    "search for tracks to the end": lambda c, t: following(c, c.search(t.rare, type="track", limit=10)["tracks"]),
    "search_markets": lambda c, t: c.search_markets(t.name, type="track", markets=["SE", "NO"], total=4),
    "playlist": lambda c, t: c.playlist(t.playlist),
    "playlist by fields": lambda c, t: c.playlist(t.playlist, fields="name,owner.id")["owner"]["id"],
    "playlist_items": lambda c, t: c.playlist_items(t.playlist)["items"],
    "playlist_cover_image": lambda c, t: c.playlist_cover_image(t.playlist),
    "user": lambda c, t: c.user("user7"),
    "user_playlists": lambda c, t: c.user_playlists("user7"),
    "new_releases": lambda c, t: c.new_releases(),
    "categories": lambda c, t: c.categories(),
    "recommendations": lambda c, t: c.recommendations(seed_tracks=[t.track]),
    "audio_features": lambda c, t: c.audio_features([t.track])[0],
    "available_markets": lambda c, t: c.available_markets(),
}
