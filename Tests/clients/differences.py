"""In what an answer of the mirror may differ from the one that Spotify gives the same account. docs/clients.md says the same list."""

import re
import urllib.parse

from harness.spotify import API

#: Every difference by name. The words stand in docs/clients.md.
NAMED = {
    "fields": "What development mode took from an object is there, with neutral values; a playlist whose items are its owner's alone has an empty page.",
    "links": "`href`, `next` and `previous` of lists lead to the mirror, name parameters and `include_groups` in its own order, and `additional_types` where "
             "it asks for episodes, as `track,episode`.",
    "both names": "A playlist's list stands there as `items` and as `tracks`, and each element's thing as `item` and as `track`.",
    "batches": "`tracks?ids=` and its kin, `artists/{id}/top-tracks` and `playlists/{id}/tracks` are answered, which development mode refuses.",
    "limits": "A search takes a `limit` up to 50, and gives 20 where none is named; `offset` and `limit` together reach 1000 at most, as its links do.",
    "market": "A `market` that is none in form is refused wherever it is named, also where Spotify would not look at it.",
    "ids": "URIs and links are as good as ids.",
    "words": "Refusals have more to say: whose fault it is, and what would help.",
    "order": "Where several things are wrong with a request, another of them may be the one that is named.",
}

#: What the mirror says of a request that is wrong, whatever else is wrong with it.
COMPLAINTS = re.compile(r"(Invalid (base62 id|market code|limit|offset|include_groups|fields|additional_types)|No search query|Missing parameter type"
                        r"|Bad search type field .*|Missing required field: ids|Too many ids requested|Query exceeds maximum length.*)\Z")
CLOSED = re.compile(r"(markets|browse|users|recommendations|audio-features|audio-analysis|artists/.*/related-artists)(/|\?|$)")
FILLED = {"album": {"popularity", "available_markets", "label", "album_group"}, "track": {"popularity", "available_markets"},
          "artist": {"popularity", "followers"}, "playlist": {"followers"}, "show": {"available_markets", "publisher"},
          "audiobook": {"available_markets", "publisher"}, "chapter": {"available_markets"}, "episode": {"available_markets", "popularity"}}


def of(request, direct, mirror):
    """The names of the differences between two answers, (status, value) each; raises Unnamed for one that has no name."""
    if direct[0] == mirror[0] == 200:
        return _of_bodies(request, direct[1], mirror[1])
    if direct[0] == mirror[0]:
        return _of_refusals(direct, mirror)
    return {_of_statuses(request, direct, mirror)}


class Unnamed(Exception):
    """A difference that no document names."""


def _message(answer):
    error = answer[1]["error"]
    assert error["status"] == answer[0], answer
    return error["message"]


def _of_refusals(direct, mirror):
    said, instead = _message(direct), _message(mirror)
    if said == instead:
        return set()
    if instead.startswith(said):
        return {"words"}
    if COMPLAINTS.match(said) and COMPLAINTS.match(instead):
        return {"order"}
    raise Unnamed(f"{direct} and {mirror}")


def _of_statuses(request, direct, mirror):
    path, _, query = request.partition("?")
    asked = dict(reversed(urllib.parse.parse_qsl(query, keep_blank_values=True)))
    if _names_a_link(path) and direct == (400, {"error": {"status": 400, "message": "Invalid base62 id"}}):
        return "ids"
    if direct[0] == 403 and mirror[0] in (200, 404) and ("ids" in asked or re.search(r"/(top-tracks|tracks)/*\Z", path)):
        return "batches"
    if direct[0] == 200 and mirror[0] == 400 and _message(mirror) == "Invalid market code" and re.search(r"\Aartists/[^/]*/*\Z|/images/*\Z", path):
        return "market"
    if mirror[0] == 200:
        if path == "search" and _message(direct) == "Invalid limit" and 10 < int(asked["limit"]) <= 50:
            return "limits"
    elif 400 <= direct[0] < 500 and 400 <= mirror[0] < 500 and (COMPLAINTS.match(_message(mirror)) or COMPLAINTS.match(_message(direct))):
        return "order"
    raise Unnamed(f"{direct[0]} {str(direct[1])[:200]} and {mirror[0]} {str(mirror[1])[:200]}")


def _names_a_link(path):
    return re.search(r"spotify:|open\.spotify\.com", urllib.parse.unquote(path)) is not None


def _of_bodies(request, direct, mirror):
    found = set()
    mirror = _plain(_without_empty_page(request, direct, mirror, found), found)
    if request.startswith("search") and "limit=" not in request:
        # The direct answer has the first five of the mirror's twenty.
        found.add("limits")
        direct, mirror = _first_items(direct), _first_items(mirror)
    if _without_links(direct, set()) != _without_links(mirror, found):
        raise Unnamed(_first_difference(_without_links(direct, set()), _without_links(mirror, set())))
    return found


def _without_empty_page(request, direct, mirror, found):
    """A playlist's answer without the page that stands in for one that Spotify keeps for its owner."""
    if not re.match(r"playlists/[^/?]*/*(\?|\Z)", request) or {"items", "tracks"} & set(direct):
        return mirror
    pages = [mirror[part] for part in ("items", "tracks") if part in mirror]
    if not pages or any(page.get("items") or page.get("total") for page in pages):
        return mirror
    found.add("fields")
    return {key: value for key, value in mirror.items() if key not in ("items", "tracks")}


def _plain(value, found):
    """The mirror's answer without what it fills in and says twice."""
    if isinstance(value, list):
        return [_plain(element, found) for element in value]
    if not isinstance(value, dict):
        return value
    gone = FILLED.get(value.get("type"), set()) & set(value)
    if gone:
        found.add("fields")
    if value.get("type") == "playlist" and "tracks" in value or "item" in value and "track" in value and "added_at" in value:
        found.add("both names")
        gone = gone | {"tracks", "track"}
    return {key: _plain(element, found) for key, element in value.items() if key not in gone}


def _without_links(value, found):
    """Links of lists as (path, parameters), whoever they lead to."""
    if isinstance(value, list):
        return [_without_links(element, found) for element in value]
    if not isinstance(value, dict):
        return value
    is_list = "total" in value and "href" in value
    return {key: _link(element, found) if is_list and key in ("href", "next", "previous") and isinstance(element, str)
            else _without_links(element, found) for key, element in value.items()}


def _link(link, found):
    parts = urllib.parse.urlsplit(link)
    if not link.startswith(API):
        found.add("links")
    path = parts.path.split("/v1/")[-1]
    pairs = [(name, sorted(filter(None, value.split(","))) if name == "include_groups" else value) for name, value in urllib.parse.parse_qsl(parts.query)]
    # Without episodes it says what is so anyway.
    pairs = [(name, "track,episode" if name == "additional_types" else value) for name, value in pairs if name != "additional_types" or "episode" in value]
    return [path, sorted(pairs)]


def _first_items(value):
    """Of each list of a search five items, and nothing that depends on how many there are in a page."""
    return {key: {**page, "items": page["items"][:5], "limit": None, "href": None, "next": None, "previous": None} for key, page in value.items()}


def _first_difference(direct, mirror, at=""):
    if isinstance(direct, dict) and isinstance(mirror, dict):
        for key in {**direct, **mirror}:
            if direct.get(key, Unnamed) != mirror.get(key, Unnamed):
                return _first_difference(direct.get(key, "not there"), mirror.get(key, "not there"), f"{at}.{key}")
    if isinstance(direct, list) and isinstance(mirror, list) and len(direct) == len(mirror):
        for number, (one, other) in enumerate(zip(direct, mirror)):
            if one != other:
                return _first_difference(one, other, f"{at}[{number}]")
    return f"at {at or 'the top'}: {str(direct)[:200]} and {str(mirror)[:200]}"
