"""Libraries with sessions on: with a client key and the authentication that they bring they work, and without one they are told what to do."""

import json
import shutil

import pytest

from harness.house import House
from harness.spotify import Spotify
from harness.swingmusic import Swingmusic
from stage import LIBRARIES, PROGRAMS, Certificate, Mirrored, things
from table import PACE

#: What each is asked for: what stands alone, what is searched, what comes by pages.
CALLS = {
    "spotipy": ["track", "artists", "search for albums", "album_tracks to the end"],
    "tekore": ["track", "artist_albums, all_items", "search for tracks"],
    "spotifyaio": ["get_album", "get_artists", "search for playlists"],
    "beets": ["album_for_id", "track_for_id", "candidates", "item_candidates"],
}


class Keyed:
    """The mirror of a house with sessions."""

    def __init__(self, house):
        self.house = house
        house.responder.start(SWINGMUSIC_CONFIG_DIR=str(Swingmusic(house.sandbox).folder))
        self.mirror = Mirrored(house, Certificate(house.sandbox))
        self.things = things(Spotify(house.sandbox, mode="extended").start())

    def make(self, name):
        answer = self.house.admin("POST", "/swingmusic-fcgi/keys", json.dumps({"name": name}).encode(), {"Content-Type": "application/json"})
        assert answer.status == 201, answer
        return f"{answer.json()['id']}:{answer.json()['secret']}"

    def run(self, library, key):
        """What came of the library's calls: {name: (works, said)}; or the error with which it ended before any. It has kept no token, and
        nobody has guessed before it."""
        self.mirror.key = key
        shutil.rmtree(self.house.sandbox.directory(f"home-{library}-{self.mirror.port}"))
        assert self.house.admin("DELETE", "/cache/temp?prefix=guess/").status == 200
        try:
            calls = self.mirror.run(library, self.things, PROGRAMS if library == "beets" else LIBRARIES, CALLS[library])["calls"]
        except AssertionError as error:
            return str(error)
        return {call["name"]: (call["works"], call["said"]) for call in calls}


@pytest.fixture(scope="module")
def keyed():
    with House("clients-keyed", workers=2, mode="development", start=False, **PACE) as house:
        yield Keyed(house)


@pytest.mark.parametrize("library", CALLS)
def test_a_library_with_a_key_works(keyed, library):
    said = keyed.run(library, keyed.make(library))
    assert said == {name: (True, "") for name in CALLS[library]}


@pytest.mark.parametrize("library", CALLS)
def test_a_library_without_a_key_or_with_a_revoked_one_does_not_and_shows_what_to_do(keyed, library):
    revoked = keyed.make(f"{library}-revoked")
    assert keyed.house.admin("DELETE", f"/swingmusic-fcgi/keys/{library}-revoked").status == 200
    for key in (revoked, None):
        said = keyed.run(library, key)
        assert "True" not in str(said)
        # tekore shows the code alone; spotifyaio leaves asking to its user.
        assert library in ("tekore", "spotifyaio") or "keys add NAME" in str(said), said


def test_a_library_that_asks_no_token_is_told_where_to_get_one(keyed):
    """spotifyaio with a token of Spotify's."""
    answer = keyed.house.get("/spotify/v1/tracks/11dFghVXANMlKmJXsNCbNl", {"Authorization": "Bearer BQspotifysown"})
    assert answer.status == 401 and "POST /spotify/api/token" in answer.json()["error"]["message"]
