"""aiospotify.py: pydantic models."""
import spotify

PACKAGE = "aiospotify.py"


async def connect():
    return spotify.API(await spotify.ClientCredentialsFlow.build_from_access_token("client", "secret"))


def search(kind, **more):
    async def found(client, things):
        result = await client.search_for_item(query=things.name, types=[spotify.SearchType(kind)], limit=10, **more)
        return getattr(result, f"{kind}s").items
    return found


async def further(page):
    following = await (await page).get_next()
    return following.items


async def earlier(page):
    before = await (await page).get_previous()
    return before.items


CALLS = {
    "get_track": lambda c, t: c.get_track(t.track),
    "get_several_tracks": lambda c, t: c.get_several_tracks(t.tracks),
    "get_artist": lambda c, t: c.get_artist(t.artist),
    "get_several_artists": lambda c, t: c.get_several_artists(t.artists),
    "get_artists_albums": lambda c, t: c.get_artists_albums(t.artist),
    "get_artists_top_tracks": lambda c, t: c.get_artists_top_tracks(t.artist, market="SE"),
    "get_album": lambda c, t: c.get_album(t.album),
    "get_several_albums": lambda c, t: c.get_several_albums(t.albums),
    "get_album_tracks": lambda c, t: c.get_album_tracks(t.album),
    "get_next": lambda c, t: further(c.get_album_tracks(t.album, limit=20)),
    "get_previous": lambda c, t: earlier(c.get_album_tracks(t.album, limit=20, offset=40)),
    "get_show": lambda c, t: c.get_show(t.show, market="US"),
    "get_several_shows": lambda c, t: c.get_several_shows(t.shows, market="US"),
    "get_show_episodes": lambda c, t: c.get_show_episodes(t.show, market="US"),
    "get_episode": lambda c, t: c.get_episode(t.episode, market="US"),
    "get_several_episodes": lambda c, t: c.get_several_episodes(t.episodes, market="US"),
    "get_audiobook": lambda c, t: c.get_audiobook(t.audiobook, market="US"),
    "get_several_audiobooks": lambda c, t: c.get_several_audiobooks(t.audiobooks, market="US"),
    "get_audiobook_chapters": lambda c, t: c.get_audiobook_chapters(t.audiobook, market="US"),
    "get_chapter": lambda c, t: c.get_chapter(t.chapter, market="US"),
    "get_several_chapters": lambda c, t: c.get_several_chapters(t.chapters, market="US"),
    "search for tracks": search("track"),
    "search for albums": search("album"),
    "search for artists": search("artist"),
    "search for playlists": search("playlist"),
    "search for shows": search("show", market="US"),
    "search for episodes": search("episode", market="US"),
    "get_playlist": lambda c, t: c.get_playlist(t.playlist),
    "get_playlist_items": lambda c, t: c.get_playlist_items(t.playlist),
    "get_playlist_cover_image": lambda c, t: c.get_playlist_cover_image(t.playlist),
    "get_users_profile": lambda c, t: c.get_users_profile("user7"),
    "get_new_releases": lambda c, t: c.get_new_releases(),
    "get_tracks_audio_features": lambda c, t: c.get_tracks_audio_features(t.track),
    "get_available_markets": lambda c, t: c.get_available_markets(),
}
