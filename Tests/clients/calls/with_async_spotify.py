"""async-spotify: plain dictionaries on aiohttp."""
from async_spotify import SpotifyApiClient
from async_spotify.authentification.authorization_flows import ClientCredentialsFlow

PACKAGE = "async-spotify"


class Connected:
    """The client and its session."""

    def __init__(self, client):
        self.client = client

    def close(self):
        return self.client.close_client()


async def connect():
    client = SpotifyApiClient(ClientCredentialsFlow("client", "secret"), hold_authentication=True)
    await client.get_auth_token_with_client_credentials()
    await client.create_new_client(request_limit=20)
    return Connected(client)


CALLS = {
    "track.get_one": lambda c, t: c.client.track.get_one(t.track),
    "track.get_several": lambda c, t: c.client.track.get_several(t.tracks),
    "artists.get_one": lambda c, t: c.client.artists.get_one(t.artist),
    "artists.get_several": lambda c, t: c.client.artists.get_several(t.artists),
    "artists.get_album_list": lambda c, t: c.client.artists.get_album_list(t.artist, limit=20, include_groups="album"),
    "artists.get_top_tracks": lambda c, t: c.client.artists.get_top_tracks(t.artist, "SE"),
    "albums.get_one": lambda c, t: c.client.albums.get_one(t.album),
    "albums.get_multiple": lambda c, t: c.client.albums.get_multiple(t.albums),
    "albums.get_tracks": lambda c, t: c.client.albums.get_tracks(t.album, limit=50, offset=50),
    "shows.get_one": lambda c, t: c.client.shows.get_one(t.show, market="US"),
    "shows.get_several": lambda c, t: c.client.shows.get_several(t.shows, market="US"),
    "shows.get_episodes": lambda c, t: c.client.shows.get_episodes(t.show, market="US"),
    "episodes.get_one": lambda c, t: c.client.episodes.get_one(t.episode, market="US"),
    "episodes.get_multiple": lambda c, t: c.client.episodes.get_multiple(t.episodes, market="US"),
    "search.start": lambda c, t: c.client.search.start(t.name, ["track", "album", "artist", "playlist"], limit=10),
    "search.start for shows": lambda c, t: c.client.search.start(t.name, ["show", "episode"], market="US", limit=10),
    "playlists.get_one": lambda c, t: c.client.playlists.get_one(t.playlist),
    "playlists.get_tracks": lambda c, t: c.client.playlists.get_tracks(t.playlist),
    "playlists.get_cover": lambda c, t: c.client.playlists.get_cover(t.playlist),
    "user.get_one": lambda c, t: c.client.user.get_one("user7"),
    "browse.get_new_releases": lambda c, t: c.client.browse.get_new_releases(),
    "track.audio_features": lambda c, t: c.client.track.audio_features(t.track),
}
