"""Names of the stand-in's world. An artist's name is two invented words that spell the artist's number, so that a search for
the name finds the artist without any memory. Album and track names are drawn from lists that hold awkward characters too."""
import re

from ids import EXAMPLE, number

CONSONANTS, VOWELS = "bdfghklmnprstvyz", "aeio"
SYLLABLES = [c + v for c in CONSONANTS for v in VOWELS]  # 64: six bits each, seven for 42 bits

FIRST = ["Cut", "Glass", "Slow", "Électric", "Northern", "Hidden", "Paper", "Silver", "Tomorrow's", "Ghost", "Zwölf", "Last",
         "Velvet", "Salt &", "Neon", "Half", "Broken", "Сердце", "Blue", "Wild"]
SECOND = ["Feeling", "Harbour", "Motion", "Été", "Lights", "River", "Signal", "\"Garden\"", "Machine", "夜", "Straße", "Dream",
          "Avenue", "Sugar/Smoke", "Hour", "Letters", "Fire 🔥", "Bones", "Sky", "Echo"]


def artist_name(artist):
    if artist == EXAMPLE:
        return "Carly Rae Jepsen"
    spelled = "".join(SYLLABLES[artist >> shift & 63] for shift in range(36, -1, -6))
    return f"{spelled[:6].capitalize()} {spelled[6:].capitalize()}"


def find_artist(query):
    """The artist whose name a query holds, None when it holds none."""
    query = query.lower()
    if "carly rae jepsen" in query:
        return EXAMPLE
    syllable = f"[{CONSONANTS}][{VOWELS}]"
    found = re.search(rf"\b((?:{syllable}){{3}}) ((?:{syllable}){{4}})\b", query)
    if not found:
        return None
    spelled, artist = found[1] + found[2], 0
    for at in range(0, len(spelled), 2):
        artist = artist << 6 | SYLLABLES.index(spelled[at:at + 2])
    return artist


def title(*words):
    return f"{FIRST[number('first', *words) % len(FIRST)]} {SECOND[number('second', *words) % len(SECOND)]}"


def album_name(artist, album):
    if artist == EXAMPLE and album == 0:
        return "Cut To The Feeling"
    return title("album", artist, album)


def track_name(artist, album, track):
    if artist == EXAMPLE and album == 0 and track == 0:
        return "Cut To The Feeling"
    return title("track", artist, album, track)
