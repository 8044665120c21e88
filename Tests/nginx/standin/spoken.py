"""Shows with their episodes, audiobooks with their chapters: the spoken part of the stand-in's world.

A show has 1 to 120 episodes, an audiobook 1 to 60 chapters. Audiobooks are to be had in six markets only. An app's token has no
country, so without `market` none of this exists for it (routes.py).
"""
from ids import Place, number
from names import artist_name, title

BOOK_MARKETS = ("AU", "CA", "GB", "IE", "NZ", "US")
PART = {"show": "episode", "audiobook": "chapter"}
WHOLE = {part: whole for whole, part in PART.items()}


def part_count(kind, whole):
    """How many episodes a show has, or chapters an audiobook."""
    draw = number(PART[kind] + "s", whole)
    return 51 + draw // 8 % (70 if kind == "show" else 10) if draw % 8 == 0 else 1 + draw // 8 % 30


def exists(place):
    return place.kind in PART or place.track < part_count(WHOLE[place.kind], place.artist)


class Spoken:
    """What data.World says of them; `common` makes what every object has."""

    def __init__(self, common, images, markets):
        self.common, self.images, self.markets = common, images, markets

    def prose(self, kind, *words):
        text = f"About {title('about', kind, *words).lower()}, in our own words."
        return {"description": text, "html_description": f"<p>{text}</p>"}

    def whole(self, kind, number_):
        """The simplified show or audiobook."""
        place, name = Place(kind, number_), title(kind, number_)
        value = {"available_markets": list(BOOK_MARKETS if kind == "audiobook" else self.markets), "copyrights": [],
                 **self.prose(kind, number_), "explicit": number("explicit", kind, number_) % 9 == 0, **self.common(place, name),
                 "images": self.images(kind, number_), "languages": ["en"], "media_type": "audio",
                 "publisher": artist_name(number("publisher", kind, number_, bits=42))}
        if kind == "show":
            return {**value, "is_externally_hosted": False, "total_episodes": part_count(kind, number_)}
        people = {role: [{"name": artist_name(number(role, number_, bits=42))}] for role in ("authors", "narrators")}
        return {**value, **people, "edition": "Unabridged", "total_chapters": part_count(kind, number_)}

    def part(self, kind, whole, at):
        """The simplified episode or chapter."""
        draw, place = number(kind, whole, at), Place(kind, whole, 0, at)
        date = f"{2010 + draw % 15}-{1 + draw // 15 % 12:02}-{1 + draw // 180 % 28:02}"
        value = {"audio_preview_url": None, **self.prose(kind, whole, at), "duration_ms": 600_000 + draw % 3_000_000,
                 "explicit": draw % 9 == 0, **self.common(place, title(kind, whole, at)), "images": self.images(kind, whole, at),
                 "is_playable": True, "languages": ["en"], "release_date": date, "release_date_precision": "day"}
        if kind == "episode":
            return {**value, "is_externally_hosted": False, "language": "en"}
        return {**value, "available_markets": list(BOOK_MARKETS), "chapter_number": at}

    def full_part(self, place):
        """The episode with its show, the chapter with its audiobook."""
        whole = WHOLE[place.kind]
        return {**self.part(place.kind, place.artist, place.track), whole: self.whole(whole, place.artist)}

    def as_track(self, place):
        """An episode as it stands in a playlist for who does not say that he knows episodes: in a track's form."""
        full = self.full_part(place)
        show = full["show"]
        link = {key: full[key] for key in ("duration_ms", "explicit", "external_urls", "href", "id", "name", "type", "uri")}
        album = {key: show[key] for key in ("available_markets", "external_urls", "href", "id", "images", "name", "type", "uri")}
        artist = {"external_urls": {}, "href": None, "id": None, "name": show["publisher"], "type": None, "uri": None}
        return {"album": {"album_type": None, "artists": [artist], **album, "release_date": full["release_date"],
                          "release_date_precision": "day", "total_tracks": None},
                "artists": [artist], "available_markets": show["available_markets"], "disc_number": 0, **link, "external_ids": {},
                "is_local": False, "popularity": 0, "preview_url": None, "track_number": 0}
