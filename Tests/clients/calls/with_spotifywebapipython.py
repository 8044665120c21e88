"""spotifywebapipython, SpotifyPlus's: typed objects on urllib3."""
from spotifywebapipython import SpotifyClient

PACKAGE = "spotifywebapipython"


class Connected:
    """The client without what looks for loudspeakers in the house."""

    def __init__(self):
        self.spotify = SpotifyClient(tokenStorageDir=".", spotifyConnectDirectoryEnabled=False)
        self.spotify.SetAuthTokenClientCredentials("client", "secret")

    def close(self):
        self.spotify.Dispose()


def connect():
    return Connected()


def search(kind, **more):
    return lambda c, t: getattr(getattr(c.spotify, f"Search{kind}")(t.name, limit=10, **more), kind).Items


CALLS = {
    "GetTrack": lambda c, t: c.spotify.GetTrack(t.track),
    "GetTracks": lambda c, t: c.spotify.GetTracks(",".join(t.tracks)),
    "GetArtist": lambda c, t: c.spotify.GetArtist(t.artist),
    "GetArtists": lambda c, t: c.spotify.GetArtists(",".join(t.artists)),
    "GetArtistAlbums": lambda c, t: c.spotify.GetArtistAlbums(t.artist, limit=20).Items,
    "GetArtistAlbums, 60 of them": lambda c, t: c.spotify.GetArtistAlbums(t.artist, "album,single,compilation", limitTotal=60).Items,
    "GetArtistTopTracks": lambda c, t: c.spotify.GetArtistTopTracks(t.artist, "SE"),
    "GetAlbum": lambda c, t: c.spotify.GetAlbum(t.album),
    "GetAlbums": lambda c, t: c.spotify.GetAlbums(",".join(t.albums)),
    "GetAlbumTracks": lambda c, t: c.spotify.GetAlbumTracks(t.album, limit=50, offset=50).Items,
    "GetShow": lambda c, t: c.spotify.GetShow(t.show, "US"),
    "GetShows": lambda c, t: c.spotify.GetShows(",".join(t.shows), "US"),
    "GetShowEpisodes": lambda c, t: c.spotify.GetShowEpisodes(t.show, market="US").Items,
    "GetEpisode": lambda c, t: c.spotify.GetEpisode(t.episode, "US"),
    "GetEpisodes": lambda c, t: c.spotify.GetEpisodes(",".join(t.episodes), "US"),
    "GetAudiobook": lambda c, t: c.spotify.GetAudiobook(t.audiobook, "US"),
    "GetAudiobooks": lambda c, t: c.spotify.GetAudiobooks(",".join(t.audiobooks), "US"),
    "GetAudiobookChapters": lambda c, t: c.spotify.GetAudiobookChapters(t.audiobook, market="US").Items,
    "GetChapter": lambda c, t: c.spotify.GetChapter(t.chapter, "US"),
    "GetChapters": lambda c, t: c.spotify.GetChapters(",".join(t.chapters), "US"),
    "SearchTracks": search("Tracks"),
    "SearchAlbums": search("Albums"),
    "SearchArtists": search("Artists"),
    "SearchPlaylists": search("Playlists"),
    "SearchShows": search("Shows", market="US"),
    "SearchEpisodes": search("Episodes", market="US"),
    "SearchAudiobooks": search("Audiobooks", market="US"),
    "GetPlaylist": lambda c, t: c.spotify.GetPlaylist(t.playlist),
    "GetPlaylistItems": lambda c, t: c.spotify.GetPlaylistItems(t.playlist).Items,
    "GetPlaylistCoverImage": lambda c, t: c.spotify.GetPlaylistCoverImage(t.playlist),
    "GetUsersPublicProfile": lambda c, t: c.spotify.GetUsersPublicProfile("user7"),
    "GetAlbumNewReleases": lambda c, t: c.spotify.GetAlbumNewReleases().Items,
    "GetMarkets": lambda c, t: c.spotify.GetMarkets(),
}
