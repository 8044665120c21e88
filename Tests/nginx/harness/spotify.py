"""What Spotify itself would say: a second stand-in, asked without the program in between."""

import json
import sys
import urllib.error
import urllib.parse
import urllib.request

from .process import LoggedProcess
from .standin import SCRIPT, StandIn
from .waiting import eventually

API = "https://api.spotify.com/v1"


class Spotify(StandIn):
    """The same world as the house's stand-in, as long as ids that a test made up are not asked for; without a log of ours."""

    def start(self):
        command = [sys.executable, SCRIPT, "--port", self.port, "--mode", self.mode, *self.options]
        self.process = LoggedProcess(command, self.sandbox.path(f"spotify-{self.port}.log"))
        eventually(lambda: self.figures(), 10, what="the second stand-in answers")
        self.token = self._token()
        return self

    def _token(self):
        call = urllib.request.Request(
            f"{self.url}/api/token", b"grant_type=client_credentials",
            {"Authorization": "Basic YTpi", "Content-Type": "application/x-www-form-urlencoded"})
        with urllib.request.urlopen(call, timeout=10) as answer:
            return json.load(answer)["access_token"]

    def ask(self, path, **query):
        """(status, object) of GET /v1/path?query."""
        target = f"{self.url}/v1/{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        call = urllib.request.Request(target, headers={"Authorization": f"Bearer {self.token}"})
        try:
            with urllib.request.urlopen(call, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def get(self, path, **query):
        status, value = self.ask(path, **query)
        assert status == 200, (path, query, status, value)
        return value

    def pages(self, path, size=50, key=None, **query):
        """All items of a paging object, from page to page; `key`: the member of the answer that it is."""
        items, total = [], 1
        while len(items) < total:
            value = self.get(path, limit=size, offset=len(items), **query)
            page = value[key] if key else value
            items, total = items + page["items"], page["total"]
        return items


#: Fields that development mode took from everybody (references/changes/february-2026) or that only it lacks in the stand-in.
REMOVED = {"popularity", "available_markets", "followers", "label", "album_group"}


def mirrored(value, base):
    """What the mirror makes of an answer of Spotify's: the links of paging objects point to it."""
    return _walk(value, lambda link: link.replace(API, f"{base}/spotify/v1") if link.startswith(API) else link)


def comparable(value):
    """An answer without what exists in one mode only, and with links that can be compared: no host, no order in the query."""
    return _without(_walk(value, _plain_link))


def _plain_link(link):
    parts = urllib.parse.urlsplit(link)
    path = parts.path.split("/v1/")[-1]
    # The mirror names its own order of them, and none where there are no episodes.
    return [path, sorted(pair for pair in urllib.parse.parse_qsl(parts.query) if pair[0] != "additional_types")]


def _walk(value, change):
    """Changes href, next and previous of paging objects, and nothing else."""
    if isinstance(value, list):
        return [_walk(element, change) for element in value]
    if not isinstance(value, dict):
        return value
    is_page = "total" in value and "href" in value and value["href"] is not None
    return {key: change(element) if is_page and key in ("href", "next", "previous") and isinstance(element, str)
            else _walk(element, change) for key, element in value.items()}


def _without(value):
    if isinstance(value, list):
        return [_without(element) for element in value]
    if not isinstance(value, dict):
        return value
    gone = set(REMOVED)
    if value.get("type") == "playlist" and "tracks" in value:
        gone.add("items")  # the same page under development mode's name
    return {key: _without(element) for key, element in value.items() if key not in gone}
