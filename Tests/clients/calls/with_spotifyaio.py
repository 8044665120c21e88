"""spotifyaio, Home Assistant's: typed objects on aiohttp. It names no market."""
from spotifyaio import SpotifyClient
from spotifyaio.models import SearchType

from token_request import app_token

PACKAGE = "spotifyaio"


async def connect():
    client = SpotifyClient()
    client.authenticate(await app_token())
    return client


def search(kind):
    async def found(client, things):
        return getattr(await client.search(things.name, [SearchType(kind)]), f"{kind}s")
    return found


CALLS = {
    "get_album": lambda c, t: c.get_album(t.album),
    "get_albums": lambda c, t: c.get_albums(t.albums),
    "get_album_tracks": lambda c, t: c.get_album_tracks(t.album),
    "get_artist": lambda c, t: c.get_artist(f"spotify:artist:{t.artist}"),
    "get_artists": lambda c, t: c.get_artists(t.artists),
    "get_artist_albums": lambda c, t: c.get_artist_albums(t.artist),
    "get_artist_top_tracks": lambda c, t: c.get_artist_top_tracks(t.artist),
    "search for tracks": search("track"),
    "search for albums": search("album"),
    "search for artists": search("artist"),
    "search for playlists": search("playlist"),
    "get_playlist": lambda c, t: c.get_playlist(t.playlist),
    "get_playlist_items": lambda c, t: c.get_playlist_items(t.playlist),
    "get_playlist_cover_image": lambda c, t: c.get_playlist_cover_image(t.playlist),
    "get_show": lambda c, t: c.get_show(t.show),
    "get_episode": lambda c, t: c.get_episode(t.episode),
    "get_audiobook": lambda c, t: c.get_audiobook(t.audiobook),
    "get_chapter": lambda c, t: c.get_chapter(t.chapter),
    "get_user": lambda c, t: c.get_user("user7"),
    "get_new_releases": lambda c, t: c.get_new_releases(),
    "get_audio_features": lambda c, t: c.get_audio_features(t.track),
}
