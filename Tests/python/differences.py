"""Where the client answers otherwise than the extended version's module on a Redis, and why. What is not listed is the same."""

import re

#: Stories of calls.py by pattern, the reason, and what stands in the places that differ: None where the whole story is another.
LISTED = [
    (r".*, key far out", "dots that lead out of the cache are refused: nginx resolves them to another path"),
    (r"(spotify|temp), key out", "dots that lead out of the cache are refused: nginx resolves them to another path"),
    (r".*, key nul", "nginx refuses NUL in a path"),
    (r".*, key long", "a key has at most 512 bytes"),
    (r"(spotify|temp), key catalog", "the catalog's own entries (catalog:...) are read only"),
    (r".*: more than 1 MiB", "a value has at most 1 MiB"),
    (r"client: (ex|px|ttl_hours)=", "what is a TypeError there is understood"),
    (r".*: ttl_hours (half|tiny|none)", "parts of hours are understood, where they are refused there; None is for ever, where it is a TypeError"),
    (r"client: lists", "the caches have no lists"),
]


def reason(story):
    return next((why for pattern, why in LISTED if re.fullmatch(pattern, story)), None)


#: What the client answers in the stories of LISTED.
NOT_KEPT = [None, False, None, False, False, False, None]
OURS = {
    r".*, key (far out|out|nul|long|catalog)": NOT_KEPT,
    r".*: more than 1 MiB": [None, False, False, False, None, False, True, "other", True, None, False, False, False, None],
    r"client: (ex|px|ttl_hours)=": [True, True],
    r".*: ttl_hours (half|tiny|none)": [True, 1, True],
    r"client: lists": [0, 0, [], 0, False, None, None],
}


def ours(story):
    return next((answers for pattern, answers in OURS.items() if re.fullmatch(pattern, story)), None)
