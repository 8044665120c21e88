#!/usr/bin/env python3
"""Measures what each route costs in calls to Spotify, from the stand-in's log, and writes the table of docs/costs.md.

    measure_costs.py            rewrites the table
    measure_costs.py --check    says whether the table is what is measured, and fails when it is not
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from harness.house import House  # noqa: E402
from harness.page import Page  # noqa: E402
from harness.sandbox import REPOSITORY  # noqa: E402

PAGE = Page(REPOSITORY / "docs/costs.md", "<!-- table: Tests/nginx/measure_costs.py -->\n", "<!-- end of table -->\n")
MODES = ("development", "extended")


class Row:
    """One request. `path` may name what it needs, as the attributes of Things; `body`: it is a POST. `after`: a request that was made
    before, and is not counted."""

    def __init__(self, what, path, body=None, after=None, fresh=False):
        self.what, self.path, self.body, self.after, self.fresh = what, path, body, after, fresh


class Things:
    """What the requests are about: of a known size, and nothing that another row has had."""

    def __init__(self, standin):
        self.standin, self.row = standin, 0

    def of(self, kind, count=1, more_than=-1, at_most=1000):
        return self.standin.ids(kind, count, more_than, f"cost-{self.row}", at_most)

    def fill(self, text):
        self.row += 1
        found = {"track": lambda: self.of("track")[0], "tracks": lambda: ",".join(self.of("track", 50)),
                 "albums": lambda: ",".join(self.of("album", 20)), "artists": lambda: ",".join(self.of("artist", 50)),
                 "album": lambda: self.sized("album", 2, 50), "long_album": lambda: self.sized("album", 100, 150),
                 "artist": lambda: self.sized("artist", 4, 50),
                 "talk": lambda: self.standin.ids("playlist", 1, 10, f"cost-{self.row}", 100, episode=True)[0],
                 "show": lambda: self.sized("show", 2, 50), "long_show": lambda: self.sized("show", 60, 200),
                 "playlist": lambda: self.sized("playlist", 10, 100), "long_playlist": lambda: self.sized("playlist", 250, 300)}
        return {name: make() for name, make in found.items() if "{" + name + "}" in text}

    def sized(self, kind, more_than, at_most):
        return self.of(kind, 1, more_than, at_most)[0]


MIRROR, ITEMS = "/spotify/v1", "/api/catalog"
ROWS = [
    Row("a track", f"{MIRROR}/tracks/{{track}}"),
    Row("an album", f"{MIRROR}/albums/{{album}}"),
    Row("its tracks", f"{MIRROR}/albums/{{album}}/tracks?limit=50"),
    Row("the last tracks of an album of 101 to 150", f"{MIRROR}/albums/{{long_album}}/tracks?limit=50&offset=100"),
    Row("an artist", f"{MIRROR}/artists/{{artist}}"),
    Row("50 albums of an artist", f"{MIRROR}/artists/{{artist}}/albums?limit=50"),
    Row("top tracks of an artist who is known", f"{MIRROR}/artists/{{artist}}/top-tracks", after=f"{MIRROR}/artists/{{artist}}"),
    Row("top tracks for the first time of a day", f"{MIRROR}/artists/{{artist}}/top-tracks", fresh=True),
    Row("a playlist", f"{MIRROR}/playlists/{{playlist}}"),
    Row("its items", f"{MIRROR}/playlists/{{playlist}}/items"),
    Row("items 101 to 200 of a playlist", f"{MIRROR}/playlists/{{long_playlist}}/items?offset=100"),
    Row("a playlist with an episode, as who knows episodes asks", f"{MIRROR}/playlists/{{talk}}?additional_types=track,episode"),
    Row("its pictures", f"{MIRROR}/playlists/{{playlist}}/images"),
    Row("a show, or an episode, audiobook or chapter", f"{MIRROR}/shows/{{show}}?market=US"),
    Row("episodes 51 to 100 of a show", f"{MIRROR}/shows/{{long_show}}/episodes?market=US&limit=50&offset=50"),
    Row("50 tracks", f"{MIRROR}/tracks?ids={{tracks}}"),
    Row("20 albums", f"{MIRROR}/albums?ids={{albums}}"),
    Row("50 artists", f"{MIRROR}/artists?ids={{artists}}"),
    Row("a search for 10 tracks", f"{MIRROR}/search?q=cost+10&type=track&limit=10"),
    Row("a search for 50 tracks", f"{MIRROR}/search?q=cost+50&type=track&limit=50"),
    Row("a search for 20 of each kind", f"{MIRROR}/search?q=cost+20&type=track,album,artist,playlist"),
    Row("a track", f"{ITEMS}/track/{{track}}"),
    Row("an album of at most 50 tracks", f"{ITEMS}/album/{{album}}"),
    Row("an album of 101 to 150 tracks", f"{ITEMS}/album/{{long_album}}"),
    Row("an artist's page", f"{ITEMS}/artist/{{artist}}"),
    Row("an artist's top tracks", f"{ITEMS}/artist/{{artist}}/top-tracks"),
    Row("an artist's albums", f"{ITEMS}/artist/{{artist}}/albums"),
    Row("a playlist of at most 100 items", f"{ITEMS}/playlist/{{playlist}}"),
    Row("200 items of a longer one", f"{ITEMS}/playlist/{{long_playlist}}"),
    Row("300 items of a longer one", f"{ITEMS}/playlist/{{long_playlist}}?limit=300"),
    Row("a search, 20 of each kind", f"{ITEMS}/search", {"query": "costly"}),
    Row("a search for 50 tracks", f"{ITEMS}/search", {"query": "costlier", "type": "tracks", "limit": 50}),
    Row("trending in an empty house", f"{ITEMS}/trending", fresh=True),
    Row("home in an empty house", f"{ITEMS}/home/recommendations", fresh=True),
    Row("recommendations for an artist in an empty house", f"{ITEMS}/recommendations", {"seed_artists": ["{artist}"]}, fresh=True),
]


def measure(mode):
    """(cold, warm) for each row, in calls."""
    with House("costs", workers=1, mode=mode, user="user7", batches=True, SPOTIFY_MIN_INTERVAL="2ms") as house:
        things = Things(house.standin)
        # Of what is closed to the account it knows from then on.
        house.get(f"{MIRROR}/artists/{house.standin.ids('artist', seed='first')[0]}/top-tracks")
        counted = [_row(house, things, row) for row in ROWS if not row.fresh]
        fresh = [_row(house, things, row) for row in ROWS if row.fresh]
    return [(fresh if row.fresh else counted).pop(0) for row in ROWS]


def _row(house, things, row):
    if row.fresh:
        house.responder.stop()
        for file in house.sandbox.path("data", "x").parent.glob("*"):
            file.unlink()
        house.responder.start()
    text = row.path + json.dumps(row.body) + (row.after or "")
    found = things.fill(text)
    if row.after:
        _ask(house, _named(row.after, found), None)
    path, body = _named(row.path, found), row.body and json.loads(_named(json.dumps(row.body), found))
    return tuple(_cost(house, path, body) for _ in ("cold", "warm"))


def _named(text, found):
    for name, value in found.items():
        text = text.replace("{" + name + "}", value)
    return text


def _cost(house, path, body):
    before = house.standin.last_number()
    _ask(house, path, body)
    return len(house.standin.calls(since=before))


def _ask(house, path, body):
    answer = house.get(path) if body is None else house.post(path, body)
    if answer.status != 200 or b'"pending"' in answer.body:
        raise RuntimeError(f"{path}: {answer!r}")


def table():
    with ThreadPoolExecutor() as threads:
        measured = list(threads.map(measure, MODES))
    lines = ["| route | what | development: cold | warm | extended: cold | warm |\n", "| --- | --- | --- | --- | --- | --- |\n"]
    for row, costs in zip(ROWS, zip(*measured)):
        method = "POST " if row.body else ""
        route = row.path.replace("{tracks}", "…").replace("{albums}", "…").replace("{artists}", "…")
        for name in ("track", "long_album", "album", "artist", "long_playlist", "playlist", "talk", "long_show", "show"):
            route = route.replace("{" + name + "}", "{id}")
        numbers = " | ".join(f"{cold} | {warm}" for cold, warm in costs)
        lines.append(f"| {method}`{route}` | {row.what} | {numbers} |\n")
    return "".join(lines)


if __name__ == "__main__":
    PAGE.main(table, __file__)
