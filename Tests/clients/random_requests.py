"""Requests that a client may make, and some that none should: the same for the same seed."""

import random
import urllib.parse

KINDS = ("track", "album", "artist", "playlist", "show", "episode", "audiobook", "chapter")
PARTS = {"album": ["tracks"], "artist": ["albums", "top-tracks", "related-artists"], "playlist": ["tracks", "items", "images"],
         "show": ["episodes"], "audiobook": ["chapters"]}
CLOSED = ["markets", "browse/new-releases", "browse/categories", "browse/categories/jazz", "browse/featured-playlists", "users/user7",
          "users/user7/playlists", "recommendations?seed_genres=swing", "recommendations/available-genre-seeds", "audio-features", "audio-analysis/x",
          "me", "me/tracks", "me/player", "nothing", "tracks/x/y", "search/x", "playlists", ""]
NUMBERS = ["0", "1", "2", "5", "10", "20", "49", "50", "51", "100", "101", "1000", "1001", "-1", "x", "1.5", "", "99999999999", "%31", "+5"]
MARKETS = ["SE", "US", "DE", "us", "XX", "Sweden", "from_token", "", "S", "%53%45"]
GROUPS = ["album", "single", "album,single", "appears_on,compilation", "live", "album,", ",", ""]
TYPES = ["track", "album", "artist", "playlist", "show", "episode", "audiobook", "track,album", "track,artist,playlist", "track,show,episode", "song", "track,song",
         "", ",", "tracks", "chapter"]
WORDS = ["blue", "Été", "slow river", "NOT", "OR", "not", "artist:x", "year:1999", "tag:new", "\"quoted words\"", "İ", "夜", "a&b", "50%", "x" * 249, "x" * 251, " ", "",
         "roadhouse NOT blues", "isrc:USUM71703861", "*", "ß"]
FIELDS = ["name", "name,owner.id", "tracks.items(added_at)", "items(track(name))", "!followers", "total", "x", "a(", "a..b", "", "(name)", "items.track.name"]
TYPES_OF_ITEMS = ["track", "track,episode", "episode", "song", ""]


class Generator:
    """`ids[kind]` are ids that exist; `names` are artists'."""

    def __init__(self, seed, ids, names):
        self.random, self.ids, self.names = random.Random(seed), ids, names

    def requests(self, count):
        """Paths below /v1/, with their queries."""
        return [self.request() for _ in range(count)]

    def request(self):
        draw = self.random.random()
        if draw < 0.40:
            return self.single()
        if draw < 0.55:
            return self.batch()
        if draw < 0.90:
            return self.search()
        path = self.random.choice(CLOSED)
        return path + self.query({"limit": NUMBERS, "market": MARKETS}, 0.1, path)

    def single(self):
        kind = self.random.choice(KINDS)
        path = f"{kind}s/{self.id(kind)}"
        if self.random.random() < 0.55 and kind in PARTS:
            path += "/" + self.random.choice(PARTS[kind])
        if self.random.random() < 0.03:
            path += self.random.choice(["/", "/nothing", "//"])
        return path + self.query({"market": MARKETS, "country": MARKETS, "limit": NUMBERS, "offset": NUMBERS, "include_groups": GROUPS, "fields": FIELDS,
                                  "additional_types": TYPES_OF_ITEMS, "locale": ["sv_SE", "x"]}, 0.16)

    def batch(self):
        kind = self.random.choice([kind for kind in KINDS if kind != "playlist"])
        count = self.random.choice([0, 1, 1, 2, 3, 5, 20, 21, 50, 51])
        few = self.ids[kind][:6]  # else each would cost fifty calls
        ids = [self.random.choice(few) if self.random.random() < 0.98 else self.id(kind) for _ in range(count)]
        return f"{kind}s?ids={','.join(ids)}" + self.query({"market": MARKETS}, 0.3, "?")

    def search(self):
        text = self.random.choice(WORDS + self.names)
        if self.random.random() < 0.3:
            text += " " + self.random.choice(WORDS)
        first = f"search?{self.random.choice(['q', 'q', 'q', 'query'])}={urllib.parse.quote(text)}"
        if self.random.random() < 0.95:
            first += f"&type={urllib.parse.quote(self.random.choice(TYPES), safe=',')}"
        return first + self.query({"limit": NUMBERS, "offset": NUMBERS, "market": MARKETS, "include_external": ["audio", "x"]}, 0.3, "?")

    def id(self, kind):
        draw, good = self.random.random(), self.random.choice(self.ids[kind])
        if draw < 0.75:
            return good
        if draw < 0.80:
            return "0000" + good[4:]
        if draw < 0.85:
            return self.random.choice(self.ids[self.random.choice(KINDS)])
        if draw < 0.90:
            return urllib.parse.quote(self.random.choice([f"spotify:{kind}:{good}", f"https://open.spotify.com/{kind}/{good}", f"spotify:user:x:{kind}:{good}"]),
                                      safe=":")
        return self.random.choice([good[:-1], good + "0", good[:-1] + "-", "x", "null", "%20", "%C3%A9" * 11, good[:-1] + "%20"])

    def query(self, possible, chance, before=""):
        chosen = [f"{name}={urllib.parse.quote(self.random.choice(values), safe='%,()!.')}" for name, values in possible.items()
                  if self.random.random() < chance]
        return ("&" if "?" in before else "?") + "&".join(chosen) if chosen else ""
