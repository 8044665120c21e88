"""spotDL's types with its official client: a song is a track, its artist and its album, each with fields that it wants."""
from spotdl.types.album import Album
from spotdl.types.artist import Artist
from spotdl.types.playlist import Playlist
from spotdl.types.song import Song
from spotdl.utils.spotify import SpotifyClient

PACKAGE = "spotdl"


def connect():
    return SpotifyClient.init("client", "secret", no_cache=True, use_official_api=True)


def link(kind, name):
    return f"https://open.spotify.com/{kind}/{name}"


CALLS = {
    "Song.from_url": lambda c, t: Song.from_url(link("track", t.track)),
    "Song.search": lambda c, t: Song.search(t.name),
    "Song.from_search_term": lambda c, t: Song.from_search_term(t.name),
    "Song.list_from_search_term": lambda c, t: Song.list_from_search_term(t.rare),
    "Album.get_metadata": lambda c, t: Album.get_metadata(link("album", t.album))[1],
    "Album.from_search_term": lambda c, t: Album.from_search_term(f"album:{t.name}", fetch_songs=False),
    "Artist.get_metadata": lambda c, t: Artist.get_metadata(link("artist", t.small_artist))[1],
    "Playlist.get_metadata": lambda c, t: Playlist.get_metadata(link("playlist", t.playlist))[1],
}
