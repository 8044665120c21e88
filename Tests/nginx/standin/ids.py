"""Ids of the stand-in's world: 22 characters of base62, as Spotify's.

An id is canonical or wild. A canonical id is computed from a place in the world (artist, number of the album, number of the
track) and can be read back to it, so cross references hold without any memory. A wild id is any other well-formed one (a test
made it up): it gets a place by hashing, and takes over the id of what stands at that place for as long as the stand-in runs.

Ids beginning with 0000 exist for no kind. A playlist beginning with 0001 may not be read by the app.
"""
import collections
import hashlib
import re
import threading

ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
KINDS = ("artist", "album", "track", "playlist", "show", "episode", "audiobook", "chapter")
SHAPE = re.compile(r"[0-9A-Za-z]{22}\Z")
ARTIST_BITS, ALBUM_BITS, TRACK_BITS, CHECK_BITS = 42, 8, 8, 64
PLACE_BITS = 2 + ARTIST_BITS + ALBUM_BITS + TRACK_BITS
MODULUS = 62 ** 22
SCRAMBLE = 0x1F3D5B79A2C4E6F8193B5D7F91A3C5E7 % MODULUS  # odd and not divisible by 31: has an inverse
UNSCRAMBLE = pow(SCRAMBLE, -1, MODULUS)

# artist: 42 bits; album: its number among the artist's; track: its number on the album. A playlist, a show and an audiobook use
# `artist` alone, an episode and a chapter `track` as well.
Place = collections.namedtuple("Place", "kind artist album track", defaults=(0, 0))


def number(*words, bits=64):
    """A number drawn from words, the same in every run."""
    digest = hashlib.blake2b("\0".join(str(w) for w in words).encode(), digest_size=16).digest()
    return int.from_bytes(digest, "big") >> (128 - bits)


def canonical(place):
    """The id that stands for a place."""
    packed = place.artist << (ALBUM_BITS + TRACK_BITS) | place.album << TRACK_BITS | place.track
    check = number("check", place.kind, packed, bits=CHECK_BITS)
    later, kind = divmod(KINDS.index(place.kind), 4)
    value = (later << PLACE_BITS | packed << 2 | kind) << CHECK_BITS | check
    value = value * SCRAMBLE % MODULUS
    digits = []
    for _ in range(22):
        value, digit = divmod(value, 62)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def read_canonical(text):
    """The place that a canonical id stands for, None for a wild one."""
    value = 0
    for character in text:
        value = value * 62 + ALPHABET.index(character)
    value = value * UNSCRAMBLE % MODULUS
    check, rest = value & ((1 << CHECK_BITS) - 1), value >> CHECK_BITS
    if rest >> PLACE_BITS + 1:
        return None
    kind, packed = KINDS[(rest >> PLACE_BITS) * 4 + (rest & 3)], (rest & (1 << PLACE_BITS) - 1) >> 2
    if number("check", kind, packed, bits=CHECK_BITS) != check:
        return None
    album = packed >> TRACK_BITS & (1 << ALBUM_BITS) - 1
    return Place(kind, packed >> (ALBUM_BITS + TRACK_BITS), album, packed & (1 << TRACK_BITS) - 1)


class Register:
    """Which id stands at which place: the canonical one, unless a wild one took it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.taken = {}

    def take(self, place, text):
        with self.lock:
            self.taken[place] = text

    def id(self, place):
        return self.taken.get(place) or canonical(place)

    def place(self, kind, text):
        """The place that an id of a kind names; None when there is no such thing."""
        if text.startswith("0000"):
            return None
        known = KNOWN.get(text)
        place = known or read_canonical(text)
        if place is None:
            place = Place(kind, number("wild", kind, text, bits=ARTIST_BITS))
        if place.kind != kind:
            return None
        if known or read_canonical(text) is None:
            self.take(place, text)
        return place


# The example of Spotify's documentation.
EXAMPLE = number("the example", bits=ARTIST_BITS)
KNOWN = {
    "6sFIWsNpZYqfjUpaCgueju": Place("artist", EXAMPLE),
    "0tGPJ0bkWOUmH7MEOR77qc": Place("album", EXAMPLE),
    "11dFghVXANMlKmJXsNCbNl": Place("track", EXAMPLE),
}
