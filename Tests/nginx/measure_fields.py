#!/usr/bin/env python3
"""Compares the fields of the mirror's answers with those of both modes of an account, and writes the tables of docs/fields.md.

    measure_fields.py            rewrites the tables
    measure_fields.py --check    says whether the tables are what is measured, and fails when they are not
"""

import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from harness.house import House  # noqa: E402
from harness.page import Page  # noqa: E402
from harness.sandbox import REPOSITORY  # noqa: E402
from harness.spotify import Spotify  # noqa: E402

PAGE = Page(REPOSITORY / "docs/fields.md", "<!-- tables: Tests/nginx/measure_fields.py -->\n", "<!-- end of tables -->\n")

#: What development mode has under another name, and the parts of what it lacks as a whole.
RENAMED = re.compile(r"playlist\.tracks|element\.track|(tracks|followers)\..*")

#: What stands in the place of a field where that is not always the same.
WORDS = {"album.album_group": "the group in which the album stands, as far as it can be told",
         "playlist.tracks": "a page without items, `total` 0, whose `href` answers 403; under `items` as well"}

#: Path and query of each route.
ROUTES = [
    ("tracks/{track}", {}), ("albums/{album}", {}), ("albums/{album}/tracks", {}), ("artists/{artist}", {}), ("artists/{artist}/albums", {}),
    ("artists/{artist}/top-tracks", {}), ("playlists/{playlist}", {}), ("playlists/{closed}", {}), ("playlists/{playlist}/items", {"limit": "50"}),
    ("playlists/{playlist}/tracks", {"limit": "50"}), ("tracks", {"ids": "{track}"}), ("albums", {"ids": "{album}"}),
    ("artists", {"ids": "{artist}"}), ("search", {"q": "field day", "type": "track,album,artist,playlist", "limit": "10"}),
]


def measure():
    """For each route what extended mode, development mode and the mirror over it answer; None where it is refused."""
    with House("fields", workers=1, mode="development", user="user7") as house:
        extended = Spotify(house.sandbox, mode="extended", user="user7").start()
        development = Spotify(house.sandbox, mode="development", user="user7").start()
        names = {"track": extended.ids("track")[0], "album": extended.ids("album", more_than=3)[0],
                 "artist": extended.ids("artist", more_than=20)[0], "playlist": extended.ids("playlist", more_than=20)[0],
                 "closed": extended.ids("playlist", more_than=20, closed=True)[0]}
        return [[ask(*(_named(text, names) for text in (path, json.dumps(query)))) for ask in (_spotify(extended), _spotify(development), _mirror(house))]
                for path, query in ROUTES]


def _named(text, names):
    for name, value in names.items():
        text = text.replace("{" + name + "}", value)
    return text


def _spotify(standin):
    def ask(path, query):
        status, value = standin.ask(path, **json.loads(query))
        return value if status == 200 else None
    return ask


def _mirror(house):
    def ask(path, query):
        pairs = "&".join(f"{key}={value.replace(' ', '+')}" for key, value in json.loads(query).items())
        answer = house.get(f"/spotify/v1/{path}?{pairs}")
        assert answer.status == 200, answer
        return answer.json()
    return ask


def fields(value, kind="answer"):
    """{"album.label": value, ...} of everything in an answer."""
    found = {}
    if isinstance(value, list):
        for element in value:
            found.update(fields(element, kind))
    elif isinstance(value, dict):
        kind = value.get("type") or ("element" if "added_at" in value else kind)
        for key, member in value.items():
            found[f"{kind}.{key}"] = member
            found.update(fields(member, key))
    return found


def compared(answers):
    """(gone in development mode, of these in the mirror with their values, what extended mode has and the mirror has not)."""
    extended, development, mirror = (fields(answer) if answer is not None else None for answer in answers)
    is_closed = development is not None and "playlist.tracks" in extended and "playlist.items" not in development
    if is_closed:  # what stands in its items is not to be had
        extended = fields({**answers[0], "tracks": {**answers[0]["tracks"], "items": []}})
    gone = None if development is None else sorted(name for name in set(extended) - set(development)
                                                   if not RENAMED.fullmatch(name) or is_closed and name == "playlist.tracks")
    return gone, {name: mirror[name] for name in set(gone or extended) & set(mirror)}, sorted(set(extended) - set(mirror))


def tables():
    lines = ["| route | gone in development mode | the mirror still lacks |\n", "| --- | --- | --- |\n"]
    values = {}
    for (path, query), answers in zip(ROUTES, measure()):
        gone, there, missing = compared(answers)
        for name in gone or []:
            if name in there:
                values.setdefault(name, set()).add(json.dumps(there[name]))
        route = "/spotify/v1/" + path.replace("{track}", "{id}").replace("{album}", "{id}").replace("{artist}", "{id}").replace("{playlist}", "{id}").replace("{closed}", "{id}")
        route += "?" + "&".join(f"{key}=…" for key in query if key in ("ids", "q")) if "ids" in query or "q" in query else ""
        route += " (not one's own)" if "{closed}" in path else ""
        told = "the whole route" if gone is None else ", ".join(f"`{name}`" for name in gone)
        lines.append(f"| `{route}` | {told} | {', '.join(f'`{name}`' for name in missing) or 'nothing'} |\n")
    lines += ["\n", "| field | stands in its place |\n", "| --- | --- |\n"]
    for name in sorted(values):
        told = WORDS.get(name) or ", ".join(f"`{value}`" for value in sorted(values[name]))
        lines.append(f"| `{name}` | {told} |\n")
    return "".join(lines)


if __name__ == "__main__":
    PAGE.main(tables, __file__)
