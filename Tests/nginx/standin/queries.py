"""The words of a search: what they have in common with another text that means the same.

Operators count in capitals only, as Spotify's do: `not` is a word like any other. The name before a colon chooses a field.
"""
import re

OPERATORS = {"AND", "OR", "NOT"}
FILTERS = ("album", "artist", "genre", "isrc", "tag", "track", "upc", "year")
LONGEST = 250  # "Query exceeds maximum length of 250 characters"
TERM = re.compile(r'(?:([a-z]+):)?("[^"]*"|\S+)')


def meaning(text):
    """The text without what makes no difference: case of words, space between them."""
    return " ".join(word if word in OPERATORS else word.lower() for word in text.split())


def filters(text):
    """The fields that a query names, each with what it is to hold: `album:"Blue" artist:x`."""
    return {field: term.strip('"').lower() for field, term in TERM.findall(text) if field in FILTERS}


def words(text):
    """The text without operators and the names of fields, for who looks for a name in it; what is excluded is left out."""
    found, skip = [], False
    for field, term in TERM.findall(text):
        bare = term.strip('"') if field in FILTERS or not field else f"{field}:{term}"
        if bare in OPERATORS and not field:
            skip = bare == "NOT"
        elif not skip:
            found.append(bare)
        else:
            skip = False
    return " ".join(found)
