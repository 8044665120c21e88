"""The Spotify plugin of beets: what the autotagger and `beet spotify` ask. It has an id and secret of its own, unless it is given others."""
from beets import config
from beets.library import Item
from beetsplug.spotify import SpotifyPlugin

import key

PACKAGE = "beets"


def connect():
    if key.IS_GIVEN:
        config["spotify"]["client_id"], config["spotify"]["client_secret"] = key.ID, key.SECRET
    return SpotifyPlugin()


def item(things):
    return Item(title=things.title, artist=things.name, album=things.album_title)


CALLS = {
    "album_for_id": lambda c, t: c.album_for_id(t.album),
    "track_for_id": lambda c, t: c.track_for_id(f"https://open.spotify.com/track/{t.track}"),
    "albums_for_ids": lambda c, t: list(c.albums_for_ids(t.albums)),
    "candidates": lambda c, t: list(c.candidates([item(t)], t.name, t.album_title, False)),
    "item_candidates": lambda c, t: list(c.item_candidates(item(t), t.name, t.title)),
    "get_track_details_by_id": lambda c, t: c.get_track_details_by_id(t.tracks),
    "track_audio_features_batch": lambda c, t: c.track_audio_features_batch(t.tracks),
}
