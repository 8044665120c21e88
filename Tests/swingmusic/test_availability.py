"""What is said of a song that swingmusic has is what swingmusic's own routes know it by."""

import urllib.parse


def wanted(song):
    artists = ", ".join(artist["name"] for artist in song["artists"])
    return {"title": song["title"], "artist": artists, "album": song["album"], "duration_ms": song["duration"] * 1000}


def found(real, path, body):
    answer = real.post(path, body, real.tokens["user0"])
    assert answer.status == 200, answer
    return answer.json()


def test_a_song_that_is_available_can_be_played_and_its_album_opened(real):
    song = real.songs[-1]
    [said] = found(real, "/api/catalog/availability", {"tracks": [wanted(song)]})["tracks"]
    assert said["availability"] == {"state": "available"}
    assert (said["trackhash"], said["albumhash"]) == (song["trackhash"], song["albumhash"])
    played = real.get(f"/file/{said['trackhash']}/legacy?{urllib.parse.urlencode({'filepath': song['filepath']})}", real.tokens["user0"])
    assert played.status == 200 and played.body[:4] == b"RIFF"
    assert found(real, "/album", {"albumhash": said["albumhash"], "albumlimit": 1})["info"]["albumhash"] == said["albumhash"]


def test_so_can_one_that_the_search_finds(real):
    song = real.songs[-1]
    local = found(real, "/api/search/combined", {"query": song["title"], "include_global": False})["local"]
    assert {track["trackhash"] for track in local["tracks"]} >= {song["trackhash"]}
    assert {album["albumhash"] for album in local["albums"]} >= {song["albumhash"]}
