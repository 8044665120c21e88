"""The stand-in's world: every object is computed from its place (ids.py), so it is the same in every run.

An artist has 1 to 120 albums (one in eight more than 50); an album 1 to 130 tracks (one in ten more than 50, on two discs); a
playlist 0 to 350 items (one in three more than 100; one in five has a removed track, whose element is null). A quarter of the
albums have a guest on their last track, and are among that guest's albums as `appears_on`. One playlist in eight has an episode of a
show among its first items. spoken.py has shows and audiobooks.

Objects have the shape of extended mode; `shape` takes away what development mode took away.
"""
import ids
import spoken
from ids import EXAMPLE, Place, number
from names import album_name, artist_name, title, track_name

API = "https://api.spotify.com/v1"
MARKETS = """AD AE AG AL AM AO AR AT AU AZ BA BB BD BE BF BG BH BI BJ BN BO BR BS BT BW BY BZ CA CD CG CH CI CL CM CO CR CV CW CY CZ
DE DJ DK DM DO DZ EC EE EG ES ET FI FJ FM FR GA GB GD GE GH GM GN GQ GR GT GW GY HK HN HR HT HU ID IE IL IN IQ IS IT JM JO JP KE KG
KH KI KM KN KR KW KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MG MH MK ML MN MO MR MT MU MV MW MX MY MZ NA NE NG NI NL NO NP NR
NZ OM PA PE PG PH PK PL PR PS PT PW PY QA RO RS RW SA SB SC SE SG SI SK SL SM SN SR ST SV SZ TD TG TH TJ TL TN TO TR TT TV TW TZ UA
UG US UY UZ VC VE VN VU WS XK ZA ZM ZW""".split()
GENRES = ["art pop", "dance pop", "swing", "bebop", "shoegaze", "post-punk", "norteño", "k-pop", "drone", "hip hop"]
GROUPS = ("album", "single", "compilation", "appears_on")
ARTIST_MASK = (1 << ids.ARTIST_BITS) - 1


def album_count(artist):
    if artist == EXAMPLE:
        return 7
    draw = number("albums", artist)
    return 51 + draw // 8 % 70 if draw % 8 == 0 else 1 + draw // 8 % 30


def track_count(artist, album):
    if artist == EXAMPLE and album == 0:
        return 1
    draw = number("tracks", artist, album)
    if draw % 10 == 0:
        return 51 + draw // 10 % 80
    return 1 + draw // 10 % 3 if draw % 10 < 4 else 5 + draw // 10 % 15


def playlist_count(playlist):
    draw = number("items", playlist)
    return 101 + draw // 3 % 250 if draw % 3 == 0 else draw // 3 % 101


def owner_name(playlist):
    return f"user{number('owner', playlist) % 1000}"


def reads(user, playlist):
    """Whether a user owns a playlist or may edit it."""
    if user is None:
        return False
    return user == owner_name(playlist) or collaborative(playlist) and user == owner_name(f"friend of {playlist}")


def collaborative(playlist):
    return number("collaborative", playlist) % 20 == 0


def episode_at(playlist):
    """The position of a playlist's episode, None when it has none."""
    draw = number("talk", playlist)
    return draw // 8 % 10 if draw % 8 == 0 and draw // 8 % 10 < playlist_count(playlist) else None


def album_type(artist, album):
    if track_count(artist, album) < 4:
        return "single"
    return "compilation" if number("type", artist, album) % 7 == 0 else "album"


def guest(artist, album):
    """The artist who is heard on the album's last track, or None."""
    return artist + 1 & ARTIST_MASK if artist != EXAMPLE and number("guest", artist, album) % 4 == 0 else None


def discography(artist):
    """(group, artist, album) of every album of an artist, the newest first within a group, as Spotify lists them."""
    own = [(album_type(artist, n), artist, n) for n in range(album_count(artist))]
    before = artist - 1 & ARTIST_MASK
    heard = [("appears_on", before, n) for n in range(album_count(before)) if guest(before, n) == artist]
    return sorted(own + heard, key=lambda entry: (GROUPS.index(entry[0]), [-ord(c) for c in release_date(*entry[1:])]))


def release_date(artist, album):
    if artist == EXAMPLE and album == 0:
        return "2017-05-26"
    draw = number("released", artist, album)
    year, month, day = 1960 + draw % 66, 1 + draw // 66 % 12, 1 + draw // 792 % 28
    return [f"{year}", f"{year}-{month:02}", f"{year}-{month:02}-{day:02}"][min(2, draw // 22176 % 8)]


def exists(place):
    if place.kind == "album":
        return place.album < album_count(place.artist)
    if place.kind == "track":
        return place.album < album_count(place.artist) and place.track < track_count(place.artist, place.album)
    return spoken.exists(place) if place.kind in spoken.WHOLE else True


class World:
    """Objects by place. `revision` grows on command and shows in every name, so that a test can tell answers apart."""

    def __init__(self):
        self.register = ids.Register()
        self.revision = 0
        self.spoken = spoken.Spoken(self.common, images, MARKETS)
        for text, place in ids.KNOWN.items():
            self.register.take(place, text)

    def named(self, name):
        return f"{name} (revision {self.revision})" if self.revision else name

    def common(self, place, name):
        text = self.register.id(place)
        return {"external_urls": {"spotify": f"https://open.spotify.com/{place.kind}/{text}"}, "href": f"{API}/{place.kind}s/{text}",
                "id": text, "name": self.named(name), "type": place.kind, "uri": f"spotify:{place.kind}:{text}"}

    def artist_link(self, artist):
        return self.common(Place("artist", artist), artist_name(artist))

    def artist(self, place):
        draw = number("artist", place.artist)
        genres = [GENRES[(draw >> 8 + 4 * n) % len(GENRES)] for n in range(draw % 3)]
        return {**self.artist_link(place.artist), "followers": {"href": None, "total": draw % 5_000_000},
                "genres": list(dict.fromkeys(genres)), "images": images("artist", place.artist), "popularity": draw % 101}

    def album_link(self, artist, album, market=None):
        """The simplified album."""
        date = release_date(artist, album)
        link = {"album_type": album_type(artist, album), "artists": [self.artist_link(artist)], "available_markets": MARKETS,
                **self.common(Place("album", artist, album), album_name(artist, album)), "images": images("album", artist, album),
                "release_date": date, "release_date_precision": ["year", "month", "day"][date.count("-")],
                "total_tracks": track_count(artist, album)}
        return playable(link, market)

    def track_link(self, artist, album, track, market=None):
        """The simplified track, as it stands inside an album."""
        total = track_count(artist, album)
        first_disc = (total + 1) // 2 if total > 50 else total
        disc, position = divmod(track, first_disc)
        artists, other = [self.artist_link(artist)], guest(artist, album)
        if other is not None and track == total - 1:
            artists.append(self.artist_link(other))
        draw = number("track", artist, album, track)
        link = {"artists": artists, "available_markets": MARKETS, "disc_number": disc + 1,
                "duration_ms": 207959 if artist == EXAMPLE and album == 0 else 60_000 + draw % 400_000, "explicit": draw % 6 == 0,
                **self.common(Place("track", artist, album, track), track_name(artist, album, track)), "is_local": False,
                "preview_url": None, "track_number": position + 1}
        return playable(link, market)

    def track(self, place, market=None):
        draw = number("isrc", *place[1:])
        code = "USUM71703861" if place[1:] == (EXAMPLE, 0, 0) else f"QZ{draw % 10**10:010}"
        return {"album": self.album_link(place.artist, place.album, market), **self.track_link(*place[1:], market),
                "external_ids": {"isrc": code}, "popularity": number("popular", *place[1:]) % 101}

    def tracks(self, place):
        """(artist, album, number) of every track of an album."""
        return [(place.artist, place.album, n) for n in range(track_count(place.artist, place.album))]

    def album(self, place, market=None):
        """The album without its page of tracks, which routes.py adds."""
        draw = number("upc", *place[1:])
        year, label = release_date(*place[1:3])[:4], title("label", place.artist)
        return {**self.album_link(place.artist, place.album, market), "copyrights": [{"text": f"(C) {year} {label}", "type": "C"}],
                "external_ids": {"upc": f"{draw % 10**12:012}"}, "genres": [], "label": label, "popularity": draw % 101}

    def owner(self, playlist):
        return self.user(owner_name(playlist))

    def user(self, name):
        return {"display_name": name.capitalize(), "external_urls": {"spotify": f"https://open.spotify.com/user/{name}"},
                "href": f"{API}/users/{name}", "id": name, "type": "user", "uri": f"spotify:user:{name}"}

    def playlist(self, place):
        """The playlist without its page of items, which routes.py adds."""
        name = title("playlist", place.artist)
        return {"collaborative": collaborative(place.artist), "description": f"Songs for a {name.lower()}", **self.common(place, name),
                "followers": {"href": None, "total": number("fans", place.artist) % 90_000}, "images": images("playlist", place.artist),
                "owner": self.owner(place.artist), "primary_color": None, "public": True,
                "snapshot_id": f"{number('snapshot', place.artist, self.revision):016x}"}

    def playlist_item(self, playlist, position, market=None, episodes=False):
        """An element of a playlist; an episode has a track's form for who does not say that he knows `episodes`."""
        owner, gone = self.owner(playlist), number("gap", playlist) % 5 == 0 and position == 7
        added = {key: owner[key] for key in ("external_urls", "href", "id", "type", "uri")}
        element = {"added_at": f"2024-01-{1 + position % 28:02}T12:00:00Z", "added_by": added, "is_local": False, "primary_color": None}
        is_episode = position == episode_at(playlist)
        if is_episode:
            place = drawn("episode", "item", playlist, position)
            item = self.spoken.full_part(place) if episodes else self.spoken.as_track(place)
        else:
            item = self.track(drawn("track", "item", playlist, position), market)
        return {**element, "track": None if gone else {**item, "episode": is_episode, "track": not is_episode},
                "video_thumbnail": {"url": None}}


def playable(link, market):
    """With a market, Spotify says `is_playable` instead of listing the markets."""
    if market:
        del link["available_markets"]
        link["is_playable"] = True
    return link


def images(*words):
    return [{"height": size, "url": f"https://i.scdn.co/image/ab67616d{number('image', size, *words):016x}{number(*words):016x}",
             "width": size} for size in (640, 300, 64)]


def drawn(kind, *words):
    """A place of a kind drawn from words: what a playlist holds, what a search finds."""
    artist = number("drawn", kind, *words, bits=ids.ARTIST_BITS)
    album = number("album", *words) % album_count(artist) if kind in ("album", "track") else 0
    track = number("track", *words) % track_count(artist, album) if kind == "track" else 0
    if kind in spoken.WHOLE:
        track = number("part", *words) % spoken.part_count(spoken.WHOLE[kind], artist)
    return Place(kind, artist, album, track)


#: What development mode took (references/changes/february-2026 and march-2026).
GONE = {"album": {"popularity", "available_markets", "label", "album_group"}, "track": {"popularity", "available_markets"},
        "artist": {"popularity", "followers"}, "playlist": {"followers"}, "show": {"available_markets", "publisher"},
        "audiobook": {"available_markets", "publisher"}, "chapter": {"available_markets"}, "episode": {"available_markets", "popularity"},
        "user": {"country", "email", "explicit_content", "followers", "product"}}


def shape(value):
    """What development mode leaves of an answer, all the way down."""
    if isinstance(value, list):
        return [shape(element) for element in value]
    if not isinstance(value, dict):
        return value
    gone = GONE.get(value.get("type"), ())
    return {key: shape(element) for key, element in value.items() if key not in gone}
