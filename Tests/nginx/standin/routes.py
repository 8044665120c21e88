"""The Web API's paths: from a path and a query to a status and an answer. What there is depends on the account's mode."""
import re
from urllib.parse import urlencode

import data
import ids
from ids import Place, number
from names import find_artist

SEARCHED = {"track": "tracks", "album": "albums", "artist": "artists", "playlist": "playlists"}
BATCHES = {"tracks": ("track", 50), "albums": ("album", 20), "artists": ("artist", 50)}


class Refusal(Exception):
    """An answer that is an error of the Web API."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status, self.message = status, message


def error(status, message, **more):
    return {"error": {"status": status, "message": message, **more}}


class Routes:
    def __init__(self, world, settings):
        self.world, self.settings = world, settings

    @property
    def development(self):
        return self.settings["mode"] == "development"

    def answer(self, path, query):
        """(status, object) for GET path?query; query is a dict of first values. spotipy asks with a slash at the end."""
        try:
            value = self.route(path.rstrip("/"), query)
            return 200, data.shape(value) if self.development else value
        except Refusal as refusal:
            return refusal.status, error(refusal.status, refusal.message)

    def route(self, path, query):
        if path == "/v1/search":
            return self.search(query)
        if found := re.fullmatch(r"/v1/(tracks|albums|artists|playlists)/([^/]+)(?:/([a-z-]+))?", path):
            return self.single(found[1][:-1], found[2], found[3], query)
        if found := re.fullmatch(r"/v1/(tracks|albums|artists|episodes|shows|audiobooks|chapters)", path):
            self.only_extended()
            return self.batch(found[1], query)
        if path == "/v1/markets":
            self.only_extended()
            return {"markets": data.MARKETS}
        if re.match(r"/v1/(browse|users|recommendations|audio-features)\b", path):
            self.only_extended()
            return self.elsewhere(path, query)
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
        place, market = self.place(kind, text), market_of(query)
        if part is None:
            return getattr(self, kind)(place, text, query, market)
        if (kind, part) == ("album", "tracks"):
            return self.album_tracks(place, text, query, market)
        if (kind, part) == ("artist", "albums"):
            return self.artist_albums(place, text, query, market)
        if kind == "playlist" and part in ("items", "tracks"):
            return self.playlist_items(place, text, part, query, market)
        if kind == "artist" and part in ("top-tracks", "related-artists"):
            self.only_extended()
            return self.top_tracks(place, market) if part == "top-tracks" else self.related(place)
        raise Refusal(404, "Service not found")

    def track(self, place, text, query, market):
        return self.world.track(place, market)

    def artist(self, place, text, query, market):
        return self.world.artist(place)

    def album(self, place, text, query, market):
        return {**self.world.album(place, market), "tracks": self.album_tracks(place, text, {}, market, 50)}

    def album_tracks(self, place, text, query, market, default=20):
        tracks = self.world.tracks(place)
        return page(f"/albums/{text}/tracks", query, default, 50, len(tracks),
                    lambda at: self.world.track_link(*tracks[at], market))

    def artist_albums(self, place, text, query, market):
        groups = [g for g in query.get("include_groups", ",".join(data.GROUPS)).split(",") if g]
        if any(group not in data.GROUPS for group in groups):
            raise Refusal(400, "Invalid include_groups")
        albums = [entry for entry in data.discography(place.artist) if entry[0] in groups]

        def item(at):
            group, artist, album = albums[at]
            return {**self.world.album_link(artist, album, market), "album_group": group}
        return page(f"/artists/{text}/albums", query, 20, 50, len(albums), item, ("include_groups", "market"))

    def playlist(self, place, text, query, market):
        value, closed = self.world.playlist(place), text.startswith("0001")
        part = "items" if self.development else "tracks"
        if self.development and closed:
            return value
        return {**value, part: self.playlist_page(place, text, part, {}, market)}

    def playlist_items(self, place, text, part, query, market):
        if self.development and part == "tracks":
            raise Refusal(403, "Forbidden")
        if text.startswith("0001"):
            raise Refusal(403, "Forbidden")
        return self.playlist_page(place, text, part, query, market)

    def playlist_page(self, place, text, part, query, market):
        key = "item" if part == "items" else "track"

        def item(at):
            element = self.world.playlist_item(place.artist, at, market)
            track = element.pop("track")
            return {**element, key: track}
        most = self.settings["playlist_limit"]
        return page(f"/playlists/{text}/{part}", query, most, most, data.playlist_count(place.artist), item)

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

    def batch(self, plural, query):
        if plural not in BATCHES:
            raise Refusal(404, "Service not found")
        kind, most = BATCHES[plural]
        wanted, market = [i for i in query.get("ids", "").split(",") if i], market_of(query)
        if not wanted:
            raise Refusal(400, "Missing required field: ids")
        if len(wanted) > most:
            raise Refusal(400, "Too many ids requested")

        def one(text):
            try:
                return getattr(self, kind)(self.place(kind, text), text, {}, market)
            except Refusal as refusal:
                if refusal.status == 400:
                    raise
                return None
        return {plural: [one(text) for text in wanted]}

    def elsewhere(self, path, query):
        if path == "/v1/browse/new-releases":
            def item(at):
                return self.world.album_link(*data.drawn("album", "new", at)[1:3])
            return {"albums": page("/browse/new-releases", query, 20, 50, 100, item)}
        if found := re.fullmatch(r"/v1/users/([^/]+)", path):
            return {"display_name": found[1], "id": found[1], "type": "user", "uri": f"spotify:user:{found[1]}"}
        raise Refusal(404, "Resource not found")

    def search(self, query):
        text, kinds = query.get("q", "").strip(), [k for k in query.get("type", "").split(",") if k]
        if not text:
            raise Refusal(400, "No search query")
        if not kinds:
            raise Refusal(400, "Missing parameter type")
        if bad := [kind for kind in kinds if kind not in SEARCHED]:
            raise Refusal(400, f"Bad search type field {bad[0]}")
        default, most = (5, 10) if self.development else (20, 50)
        whole_number(query, "offset", 0, 0, 1000)
        market = market_of(query)
        return {SEARCHED[kind]: self.found(kind, text, query, default, most, market) for kind in kinds}

    def found(self, kind, text, query, default, most, market):
        text = " ".join(text.lower().split())
        artist = find_artist(text)
        first = self.matches(kind, artist) if artist is not None else []
        total = len(first) + number("found", kind, text) % 400

        def item(at):
            return self.hit(first[at] if at < len(first) else data.drawn(kind, text, at), market)
        query = {**query, "query": query["q"], "type": kind}
        return page("/search", query, default, most, total, item, ("query", "type", "market"))

    def matches(self, kind, artist):
        """What a search for an artist's name finds first; every third track is somebody else's, as it happens."""
        if kind == "artist":
            return [Place("artist", artist)]
        if kind == "album":
            return [Place("album", a, n) for _, a, n in data.discography(artist) if a == artist]
        if kind == "playlist":
            return []
        songs = self.songs(artist)[:60]
        return [song for at, own in enumerate(songs) for song in
                ([own, data.drawn("track", "sounds like", artist, at)] if at % 2 else [own])]

    def hit(self, place, market):
        if place.kind == "track":
            return self.world.track(place, market)
        if place.kind == "album":
            return self.world.album_link(place.artist, place.album, market)
        if place.kind == "artist":
            return self.world.artist(place)
        value, text = self.world.playlist(place), self.world.register.id(place)
        del value["followers"]
        part = "items" if self.development else "tracks"
        return {**value, part: {"href": f"{data.API}/playlists/{text}/{part}", "total": data.playlist_count(place.artist)}}


def market_of(query):
    market = query.get("market")
    if market is not None and market != "from_token" and not re.fullmatch(r"[A-Z]{2}", market):
        raise Refusal(400, "Invalid market code")
    return market


def whole_number(query, name, default, least, most):
    text = query.get(name, str(default))
    if not re.fullmatch(r"-?[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise Refusal(400, f"Invalid {name}")
    return int(text)


def page(path, query, default, most, total, item, kept=("market",)):
    """A paging object; its links are Spotify's own, not the stand-in's address."""
    limit, offset = whole_number(query, "limit", default, 1, most), whole_number(query, "offset", 0, 0, 100_000)

    def link(start):
        more = {name: query[name] for name in kept if query.get(name)}
        return f"{data.API}{path}?{urlencode({'offset': start, 'limit': limit, **more})}"
    items = [item(at) for at in range(offset, min(offset + limit, total))]
    return {"href": link(offset), "items": items, "limit": limit, "next": link(offset + limit) if offset + limit < total else None,
            "offset": offset, "previous": link(max(0, offset - limit)) if offset else None, "total": total}
