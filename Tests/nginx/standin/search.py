"""/v1/search. Its links name what is sought `query`, as Spotify's do, and a request may, too."""
import data
import queries
from answers import Refusal, market_of, page, whole_number
from ids import Place, number
from names import album_name, find_artist
from spoken import BOOK_MARKETS

SEARCHED = {kind: kind + "s" for kind in ("track", "album", "artist", "playlist", "show", "episode", "audiobook")}
SPOKEN = ("show", "episode", "audiobook")


class Search:
    def __init__(self, routes):
        self.routes, self.world = routes, routes.world

    def answer(self, query):
        text = query.get("q") or query.get("query") or ""
        kinds = [kind for kind in query.get("type", "").split(",") if kind]
        if not text.strip():
            raise Refusal(400, "No search query")
        if not kinds:
            raise Refusal(400, "Missing parameter type")
        if bad := [kind for kind in kinds if kind not in SEARCHED]:
            raise Refusal(400, f"Bad search type field {bad[0]}")
        if len(text.strip()) > queries.LONGEST:
            raise Refusal(400, f"Query exceeds maximum length of {queries.LONGEST} characters")
        default, most = (5, 10) if self.routes.development else (20, 50)
        whole_number(query, "offset", 0, 0, 1000)
        market = market_of(query)
        return {SEARCHED[kind]: self.found(kind, text, query, default, most, market) for kind in kinds}

    def found(self, kind, typed, query, default, most, market):
        text = queries.meaning(typed)
        artist = find_artist(queries.words(typed))
        fields = queries.filters(typed)
        first = [] if artist is None else self.of_album(artist, fields["album"]) if kind == "track" and "album" in fields else self.matches(kind, artist)
        total = len(first) + number("found", kind, text) % 400
        if kind in SPOKEN and (market is None or kind == "audiobook" and market not in BOOK_MARKETS):
            total = 0  # nobody's token has no country

        def item(at):
            return self.hit(first[at] if at < len(first) else data.drawn(kind, text, at), market)
        query = {**query, "query": typed, "type": kind}
        return page("/search", query, default, most, total, item, ("query", "type", "market"), least=0)

    def matches(self, kind, artist):
        """What a search for an artist's name finds first; every third track is somebody else's, as it happens."""
        if kind == "artist":
            return [Place("artist", artist)]
        if kind == "album":
            return [Place("album", a, n) for _, a, n in data.discography(artist) if a == artist]
        if kind != "track":
            return []
        songs = self.routes.songs(artist)[:60]
        return [song for at, own in enumerate(songs) for song in
                ([own, data.drawn("track", "sounds like", artist, at)] if at % 2 else [own])]

    def of_album(self, artist, name):
        """The tracks of an artist's albums of a name, and among them another's, as it happens. A name's quotation marks cannot be sought."""
        own = [song for at in range(data.album_count(artist)) if album_name(artist, at).replace('"', "").lower() == name
               for song in self.world.tracks(Place("album", artist, at))]
        songs = [Place("track", *song) for song in own]
        return [song for at, own in enumerate(songs) for song in ([own, data.drawn("track", "much like", artist, at)] if at % 7 == 3 else [own])]

    def hit(self, place, market):
        if place.kind == "track":
            return self.world.track(place, market)
        if place.kind == "album":
            return self.world.album_link(place.artist, place.album, market)
        if place.kind == "artist":
            return self.world.artist(place)
        if place.kind == "episode":
            return self.world.spoken.part("episode", place.artist, place.track)
        if place.kind in SPOKEN:
            return self.world.spoken.whole(place.kind, place.artist)
        return self.routes.playlist_link(place)
