"""asyncspotify: typed objects on aiohttp; it sleeps as long as it is told and asks five times."""
import asyncspotify

PACKAGE = "asyncspotify"


async def connect():
    client = asyncspotify.Client(asyncspotify.ClientCredentialsFlow("client", "secret"))
    await client.authorize()
    return client


CALLS = {
    "get_track": lambda c, t: c.get_track(t.track),
    "get_tracks": lambda c, t: c.get_tracks(*t.tracks),
    "get_artist": lambda c, t: c.get_artist(t.artist),
    "get_artists": lambda c, t: c.get_artists(*t.artists),
    "get_artist_albums": lambda c, t: c.get_artist_albums(t.artist, include_groups="album,single", country="SE"),
    "get_artist_albums to the end": lambda c, t: c.get_artist_albums(t.artist, limit=None),
    "get_artist_top_tracks": lambda c, t: c.get_artist_top_tracks(t.artist, "SE"),
    "get_album": lambda c, t: c.get_album(t.album),
    "get_albums": lambda c, t: c.get_albums(*t.albums),
    "get_album_tracks": lambda c, t: c.get_album_tracks(t.album),
    "get_album_tracks to the end": lambda c, t: c.get_album_tracks(t.album, limit=None),
    "search_tracks": lambda c, t: c.search_tracks(q=t.name, limit=10),
    "search_artists": lambda c, t: c.search_artists(q=t.name, limit=10),
    "search_albums": lambda c, t: c.search_albums(q=t.name, limit=10),
    "search_playlists": lambda c, t: c.search_playlists(q=t.name, limit=10),
    "search_track": lambda c, t: c.search_track(q=t.name),
    "search_artist": lambda c, t: c.search_artist(q=t.name),
    "search_album": lambda c, t: c.search_album(q=t.name),
    "search_playlist": lambda c, t: c.search_playlist(q=t.name),
    "get_playlist": lambda c, t: c.get_playlist(t.playlist),
    "get_playlist_tracks": lambda c, t: c.get_playlist_tracks(t.playlist),
    "get_user": lambda c, t: c.get_user("user7"),
    "get_audio_features": lambda c, t: c.get_audio_features(t.track),
}
