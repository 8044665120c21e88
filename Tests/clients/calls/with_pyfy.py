"""pyfy: plain dictionaries on requests."""
import pyfy

PACKAGE = "pyfy"


def connect():
    client = pyfy.Spotify(client_creds=pyfy.ClientCreds(client_id="client", client_secret="secret"))
    client.authorize_client_creds()
    return client


CALLS = {
    "tracks, one": lambda c, t: c.tracks(t.track),
    "tracks": lambda c, t: c.tracks(t.tracks),
    "artists, one": lambda c, t: c.artists(t.artist),
    "artists": lambda c, t: c.artists(t.artists),
    "artist_albums": lambda c, t: c.artist_albums(t.artist, limit=20),
    "artist_top_tracks": lambda c, t: c.artist_top_tracks(t.artist, country="SE"),
    "albums, one": lambda c, t: c.albums(t.album),
    "albums": lambda c, t: c.albums(t.albums),
    "album_tracks": lambda c, t: c.album_tracks(t.album, limit=20),
    "next_page": lambda c, t: c.next_page(c.album_tracks(t.album, limit=20))["items"],
    "previous_page": lambda c, t: c.previous_page(c.album_tracks(t.album, limit=20, offset=40))["items"],
    "search": lambda c, t: c.search(t.name, types=["track", "album", "artist", "playlist"], limit=10),
    "next_page of a search": lambda c, t: c.next_page(c.search(t.name, types="track", limit=10))["tracks"]["items"],
    "playlist": lambda c, t: c.playlist(t.playlist),
    "playlist_tracks": lambda c, t: c.playlist_tracks(t.playlist),
    "playlist_cover": lambda c, t: c.playlist_cover(t.playlist),
    "user_profile": lambda c, t: c.user_profile("user7"),
    "tracks_audio_features": lambda c, t: c.tracks_audio_features(t.track),
}
