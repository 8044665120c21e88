"""The Web API's paths: from a path and a query to a status and an answer. What there is depends on the account's mode."""
import re
import threading

import data
import fields
import ids
from answers import Refusal, error, market_of, page
from browse import PATHS, Browse
from ids import Place, number
from search import Search
from spoken import BOOK_MARKETS, PART, WHOLE, part_count

BATCHES = {"tracks": 50, "albums": 20, "artists": 50, "shows": 50, "episodes": 50, "audiobooks": 50, "chapters": 50}
KIND = "|".join([*BATCHES, "playlists"])
PARTS = {"albums": ("tracks",), "artists": ("albums", "top-tracks", "related-artists"), "playlists": ("items", "tracks", "images"),
         "shows": ("episodes",), "audiobooks": ("chapters",)}


class Routes:
    def __init__(self, world, settings):
        self.world, self.settings = world, settings
        self.call = threading.local()  # whose the token of this thread's call is
        self.search, self.browse = Search(self), Browse(self)

    @property
    def development(self):
        return self.settings["mode"] == "development"

    @property
    def user(self):
        """Whose token asks; None for an app's."""
        return self.call.user or self.settings["user"]

    def answer(self, path, query, user=None, scopes=frozenset()):
        """(status, object) for GET path?query; query is a dict of first values. spotipy asks with a slash at the end."""
        self.call.user, self.call.scopes = user, scopes
        try:
            value = self.route(path.rstrip("/"), query)
            value = data.shape(value) if self.development else value
            return 200, filtered(value, query) if isinstance(value, dict) and path.startswith("/v1/playlists/") else value
        except Refusal as refusal:
            return refusal.status, error(refusal.status, refusal.message)

    def route(self, path, query):
        if path == "/v1/search":
            return self.search.answer(query)
        found = re.fullmatch(rf"/v1/({KIND})/([^/]+)(?:/([a-z-]+))?", path)
        if found and (found[3] is None or found[3] in PARTS.get(found[1], ())):
            return self.single(found[1][:-1], found[2], found[3], query)
        if path[4:] in BATCHES:
            self.only_extended()
            return self.batch(path[4:], query)
        if PATHS.match(path):
            self.only_extended()
            return self.browse.answer(path, query)
        if re.match(r"/v1/me\b", path):
            raise Refusal(401, "Valid user authentication required")
        raise Refusal(404, "Service not found")

    def only_extended(self):
        if self.development:
            raise Refusal(403, "Forbidden")

    def place(self, kind, text):
        if not ids.SHAPE.match(text):
            raise Refusal(400, "Invalid base62 id")
        place = self.world.register.place(kind, text)
        if place is None or text in self.settings["gone"] or not data.exists(place):
            raise Refusal(404, "Resource not found")
        return place

    def single(self, kind, text, part, query):
        if part in ("top-tracks", "related-artists"):
            self.only_extended()
        place = self.place(kind, text)
        if (kind, part) == ("playlist", "images"):
            return self.world.playlist(place)["images"]
        if (kind, part) == ("artist", None):
            return self.world.artist(place)
        market = market_of(query)
        if kind in PART or kind in WHOLE:
            return self.spoken(place, text, part, query, market)
        if part is None:
            return getattr(self, kind)(place, text, query, market)
        if (kind, part) == ("album", "tracks"):
            return self.album_tracks(place, text, query, market)
        if (kind, part) == ("artist", "albums"):
            return self.artist_albums(place, text, query, market)
        if kind == "playlist":
            return self.playlist_items(place, text, part, query, market)
        return self.top_tracks(place, market) if part == "top-tracks" else self.related(place)

    def track(self, place, text, query, market):
        return self.world.track(place, market)

    def album(self, place, text, query, market):
        return {**self.world.album(place, market), "tracks": self.album_tracks(place, text, {"market": market} if market else {}, market, 50)}

    def album_tracks(self, place, text, query, market, default=20):
        tracks = self.world.tracks(place)
        return page(f"/albums/{text}/tracks", query, default, 50, len(tracks),
                    lambda at: self.world.track_link(*tracks[at], market))

    def artist_albums(self, place, text, query, market):
        groups = [g for g in (query.get("include_groups") or ",".join(data.GROUPS)).split(",") if g]
        if not groups or any(group not in data.GROUPS for group in groups):
            raise Refusal(400, "Invalid include_groups")
        albums = [entry for entry in data.discography(place.artist) if entry[0] in groups]

        def item(at):
            group, artist, album = albums[at]
            return {**self.world.album_link(artist, album, market), "album_group": group}
        return page(f"/artists/{text}/albums", query, 20, 50, len(albums), item, ("include_groups", "market"))

    def spoken(self, place, text, part, query, market):
        """Shows, audiobooks and what they consist of. An app's token has no country, and where no market is named there is none of them."""
        books = place.kind in ("audiobook", "chapter")
        if market is None or books and market not in BOOK_MARKETS:
            raise Refusal(404, "non existing id")
        if part is None and place.kind in WHOLE:
            return self.world.spoken.full_part(place)
        parts = f"{PART.get(place.kind)}s"

        def item(at):
            return self.world.spoken.part(PART[place.kind], place.artist, at)
        items = page(f"/{place.kind}s/{text}/{parts}", query if part else {"market": market}, 20 if part else 50, 50,
                     part_count(place.kind, place.artist), item)
        return items if part else {**self.world.spoken.whole(place.kind, place.artist), parts: items}

    def reads_items(self, place, text):
        """Whether the token may see a playlist's items: in development mode its owner's and collaborators' alone."""
        if text.startswith("0001"):
            return False
        if text in self.settings["kept"] and not self.settings["linked"]:
            needed = "playlist-read-collaborative" if data.collaborative(place.artist) else "playlist-read-private"
            return data.reads(self.call.user, place.artist) and needed in self.call.scopes
        return not self.development or data.reads(self.user, place.artist)

    def playlist(self, place, text, query, market):
        value = {**self.world.playlist(place), "public": text not in self.settings["kept"]}
        part = "items" if self.development else "tracks"
        if self.reads_items(place, text) or not self.development and text not in self.settings["kept"]:
            value = {**value, part: self.playlist_page(place, text, part, {"additional_types": query.get("additional_types", "")}, market)}
        return value

    def playlist_items(self, place, text, part, query, market):
        if self.development and part == "tracks" or not self.reads_items(place, text):
            raise Refusal(403, "Forbidden")
        return self.playlist_page(place, text, part, query, market)

    def playlist_page(self, place, text, part, query, market):
        key = "item" if part == "items" else "track"
        types = [kind for kind in query.get("additional_types", "").split(",") if kind]
        if any(kind not in ("track", "episode") for kind in types):
            raise Refusal(400, "Invalid additional_types")

        def item(at):
            element = self.world.playlist_item(place.artist, at, market, "episode" in types)
            track = element.pop("track")
            if "episode" in types and track and track["episode"] and market is None and self.user is None:
                track = None  # what is spoken is nowhere without a country, and nobody has none
            return {**element, key: track}
        most = self.settings["playlist_limit"]
        return page(f"/playlists/{text}/{part}", query, most, most, data.playlist_count(place.artist), item, ("additional_types", "market"))

    def playlist_link(self, place):
        """The simplified playlist."""
        value, text = self.world.playlist(place), self.world.register.id(place)
        del value["followers"]
        part = "items" if self.development else "tracks"
        return {**value, part: {"href": f"{data.API}/playlists/{text}/{part}", "total": data.playlist_count(place.artist)}}

    def top_tracks(self, place, market):
        return {"tracks": [self.world.track(t, market) for t in self.songs(place.artist)[:10]]}

    def songs(self, artist):
        """An artist's own tracks, the most popular first; of the first 20 albums."""
        places = [Place("track", artist, album, track) for album in range(min(20, data.album_count(artist)))
                  for track in range(data.track_count(artist, album))]
        return sorted(places, key=lambda p: -(number("popular", *p[1:]) % 101))

    def related(self, place):
        near = [Place("artist", place.artist + n & data.ARTIST_MASK) for n in range(1, 21)]
        return {"artists": [self.world.artist(p) for p in near]}

    def wanted_ids(self, query, most):
        wanted = [text for text in query.get("ids", "").split(",") if text]
        if not wanted:
            raise Refusal(400, "Missing required field: ids")
        if len(wanted) > most:
            raise Refusal(400, "Too many ids requested")
        return wanted

    def batch(self, plural, query):
        kind, wanted = plural[:-1], self.wanted_ids(query, BATCHES[plural])
        market = {"market": market_of(query)} if market_of(query) else {}

        def one(text):
            try:
                return self.single(kind, text, None, market)
            except Refusal as refusal:
                if refusal.status == 400:
                    raise
                return None
        return {plural: [one(text) for text in wanted]}


def filtered(value, query):
    """A playlist's answer as its `fields` want it."""
    if not query.get("fields"):
        return value
    try:
        return fields.chosen(value, query["fields"])
    except fields.Malformed:
        raise Refusal(400, "Invalid fields") from None
