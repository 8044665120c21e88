"""tekore: typed objects, which refuse an answer that lacks a field."""
import tekore

import key

PACKAGE = "tekore"


def connect():
    return tekore.Spotify(tekore.request_client_token(key.ID, key.SECRET))


def whole(client, page):
    items = list(client.all_items(page))
    assert len(items) == page.total, f"{len(items)} of {page.total} items"
    return items


def search(kind, **more):
    return lambda c, t: c.search(t.name, types=(kind,), limit=10, **more)[0].items


CALLS = {
    "track": lambda c, t: c.track(t.track),
    "track in a market": lambda c, t: c.track(t.track, market="SE"),
    "tracks": lambda c, t: c.tracks(t.tracks),
    "artist": lambda c, t: c.artist(t.artist),
    "artists": lambda c, t: c.artists(t.artists),
    "artist_albums": lambda c, t: c.artist_albums(t.artist, include_groups=["album", "single"]).items,
    "artist_albums, all_items": lambda c, t: whole(c, c.artist_albums(t.artist, limit=50)),
    "artist_top_tracks": lambda c, t: c.artist_top_tracks(t.artist, "SE"),
    "artist_related_artists": lambda c, t: c.artist_related_artists(t.artist),
    "album": lambda c, t: c.album(t.album),
    "albums": lambda c, t: c.albums(t.albums),
    "album_tracks": lambda c, t: c.album_tracks(t.album).items,
    "album_tracks, all_items": lambda c, t: whole(c, c.album_tracks(t.album, limit=20)),
    "next": lambda c, t: c.next(c.album_tracks(t.album, limit=20)).items,
    "previous": lambda c, t: c.previous(c.album_tracks(t.album, limit=20, offset=40)).items,
    "show": lambda c, t: c.show(t.show, market="US"),
    "shows": lambda c, t: c.shows(t.shows, market="US"),
    "show_episodes": lambda c, t: c.show_episodes(t.show, market="US").items,
    "episode": lambda c, t: c.episode(t.episode, market="US"),
    "episodes": lambda c, t: c.episodes(t.episodes, market="US"),
    "audiobook": lambda c, t: c.audiobook(t.audiobook, market="US"),
    "audiobooks": lambda c, t: c.audiobooks(t.audiobooks, market="US"),
    "audiobook_chapters": lambda c, t: c.audiobook_chapters(t.audiobook, market="US").items,
    "chapter": lambda c, t: c.chapter(t.chapter, market="US"),
    "chapters": lambda c, t: c.chapters(t.chapters, market="US"),
    "search for tracks": search("track"),
    "search for albums": search("album"),
    "search for artists": search("artist"),
    "search for playlists": search("playlist"),
    "search for shows": search("show", market="US"),
    "search for episodes": search("episode", market="US"),
    "search for audiobooks": search("audiobook", market="US"),
    "search, all_items": lambda c, t: whole(c, c.search(t.rare, limit=10)[0]),
    "playlist": lambda c, t: c.playlist(t.playlist),
    "playlist by fields": lambda c, t: c.playlist(t.playlist, fields="name,owner.id")["owner"]["id"],
    "playlist_items": lambda c, t: c.playlist_items(t.playlist).items,
    "playlist_cover_image": lambda c, t: c.playlist_cover_image(t.playlist),
    "user": lambda c, t: c.user("user7"),
    "playlists of a user": lambda c, t: c.playlists("user7").items,
    "new_releases": lambda c, t: c.new_releases().items,
    "categories": lambda c, t: c.categories().items,
    "recommendations": lambda c, t: c.recommendations(track_ids=[t.track]).tracks,
    "track_audio_features": lambda c, t: c.track_audio_features(t.track),
    "markets": lambda c, t: c.markets(),
}
