"""The calls of the table: every method of the module with every kind of value and key. Runs wherever `module` can be imported.

`python calls.py NAME-OF-THE-MODULE` writes what came of each call, as JSON, by the name of its story. A story's calls go one after the other
over keys of its own; "!TypeError" is an exception that came out.
"""

import importlib
import json
import sys

VALUES = {
    "text": "text", "digits": "123", "json text": '{"a": 1}', "empty": "", "dict": {"a": [1, None, "ü"]}, "list": [1, "2", 3.5], "none": None,
    "true": True, "false": False, "integer": 42, "float": 1.5, "unicode": "schlüssel 音楽 🎵", "quotes": "\"' \\ \r\n\t", "nul": "a\0b",
    "1 MiB": "x" * (1 << 20), "more than 1 MiB": "x" * ((1 << 20) + 1), "bytes": b"bytes", "set": {1}, "nested": {"a": {"b": {"c": [[]]}}},
    "surrogate": "\ud800", "nan": float("nan"), "tuple": (1, 2), "integer keys": {1: 2},
}

KEYS = {
    "plain": "track:123", "empty": "", "space": "a b", "slash": "a/b", "slashes": "a//b", "dots": "a/./b", "up": "a/../b", "out": "../x",
    "far out": "../../session/x", "percent": "%2F", "question": "a?b#c", "unicode": "schlüssel 音楽", "newline": "a\r\nb", "nul": "a\0b", "star": "*",
    "brackets": "[a-c]", "at": "@a/b", "url": "https://open.spotify.com/track/1?si=2", "catalog": "catalog:track/1", "512": "k" * 480, "long": "k" * 600,
    "number": 123, "none": None, "bytes": b"bytes", "list": [1], "colon": ":", "backslash": "a\\b", "surrogate": "\ud800",
}

#: Each of these is another entry than all others.
TWINS = ["a", "a/", "/a", "a//", "a:b", "a/b", "@a/b", ":a", "@/a", "a%2Fb", "a b", "a+b", "A", "@", "@@/a", "%", "@%/a"]


def said(value):
    if isinstance(value, str) and len(value) > 100:
        return f"{len(value)} times {value[0]}"
    if isinstance(value, float) and value != value:
        return "NaN"
    return value


class Story:
    """Makes calls on `thing` and keeps what came of them."""

    def __init__(self, thing):
        self.thing, self.results = thing, []

    def call(self, method, *arguments, **named):
        try:
            result = getattr(self.thing, method)(*arguments, **named)
        except Exception as error:
            result = f"!{type(error).__name__}"
        self.results.append(said(result))
        return result


def value_stories(things):
    for name, thing in things.items():
        for kind, value in VALUES.items():
            story = Story(thing)
            key = f"value {kind}"
            for method, more in (("get", ()), ("exists", ()), ("delete", ()), ("set", (value,)), ("get", ()), ("exists", ()), ("set", ("other",)),
                                 ("get", ()), ("delete", ()), ("get", ()), ("exists", ()), ("delete", ()), ("set", (value,)), ("get", ())):
                story.call(method, key, *more)
            yield f"{name}: {kind}", story.results


def key_stories(things):
    for name, thing in things.items():
        for kind, key in KEYS.items():
            story = Story(thing)
            for method, more in (("get", ()), ("set", ({"key": kind},)), ("get", ()), ("exists", ()), ("delete", ()), ("exists", ()), ("get", ())):
                story.call(method, key, *more)
            yield f"{name}, key {kind}", story.results


def twin_stories(things):
    for name, thing in things.items():
        story = Story(thing)
        for number, key in enumerate(TWINS):
            story.call("set", f"twins {key}" if key[:1] not in "/:@%" else f"{key} twins", number + 1)
        for key in TWINS:
            story.call("get", f"twins {key}" if key[:1] not in "/:@%" else f"{key} twins")
        yield f"{name}: two keys are two entries", story.results


def lifetime_stories(caches, client):
    for name, cache in caches.items():
        for kind, hours in {"12": 12, "half": 0.5, "none": None, "0": 0, "negative": -1, "tiny": 0.0001, "text": "x", "true": True}.items():
            story = Story(cache)
            story.call("set", f"hours {kind}", 1, ttl_hours=hours)
            story.call("get", f"hours {kind}")
            story.call("exists", f"hours {kind}")
            yield f"{name}: ttl_hours {kind}", story.results
    for kind, ttl in {"60": 60, "none": None, "0": 0, "negative": -1, "text": "x"}.items():
        story = Story(client)
        for method, more in (("set", (1, ttl)), ("get", ()), ("ttl", ())):
            story.call(method, f"ttl {kind}", *more)
        yield f"client: ttl {kind}", story.results
    for kind, named in {"ex": {"ex": 600}, "px": {"px": 600000}, "ttl_hours": {"ttl_hours": 1}}.items():
        story = Story(client)
        story.call("set", f"named {kind}", True, **named)
        story.call("get", f"named {kind}")
        yield f"client: {kind}=", story.results


def client_stories(client):
    story = Story(client)
    for method, more in (("expire", (60,)), ("ttl", ()), ("set", ("x",)), ("ttl", ()), ("expire", (60,)), ("ttl", ()), ("expire", (-1,)), ("get", ()),
                         ("expire", (60,))):
        story.call(method, "expire", *more)
    yield "client: expire and ttl", story.results
    story = Story(client)
    for method, more in (("incr", ()), ("incr", (5,)), ("get", ()), ("incr", (-10,)), ("set", ("7",)), ("incr", ()), ("set", ("text",)), ("incr", ()),
                         ("get", ()), ("set", (1.5,)), ("incr", ()), ("set", (" 7",)), ("incr", ()), ("set", (9223372036854775807,)), ("incr", ()),
                         ("get", ()), ("set", ({},)), ("incr", ()), ("set", (5, 60)), ("incr", ()), ("ttl", ()), ("incr", ("x",)), ("incr", (0,))):
        story.call(method, "counter", *more)
    yield "client: incr", story.results
    story = Story(client)
    for key in ("k:one", "k:two", "k:three", "other:one", "k[a]", "k\\b", "kü", "plain"):
        story.call("set", f"pattern {key}", 1)
    for pattern in ("pattern k:*", "pattern k:t*", "pattern ?:one", "pattern k:[ot]*", "pattern k:[^o]*", "pattern *:one", "pattern k\\[a\\]", "pattern *",
                    "pattern k:one", "nothing*", "pattern k\\\\b", "pattern k?", "pattern k[b-z]*"):
        try:
            story.results.append(sorted(client.keys(pattern)))
        except Exception as error:
            story.results.append(f"!{type(error).__name__}")
    yield "client: keys", story.results
    story = Story(client)
    for method, more in (("lpush", ("a", "b")), ("llen", ()), ("lrange", (0, -1)), ("lrem", (1, "a")), ("ltrim", (0, 0)), ("rpop", ()), ("rpop", ())):
        story.call(method, "list", *more)
    yield "client: lists", story.results
    story = Story(client)
    for method in ("is_available", "ping", "close"):
        story.call(method)
    story.results.append(sorted(client.info()))
    yield "client: the rest", story.results


def shared_stories(module, client, caches):
    """A cache's keys are the client's with the prefix before them."""
    story = Story(client)
    for prefix, cache in caches.items():
        cache.set("shared", prefix)
        story.call("get", f"{prefix}:shared")
        story.call("set", f"{prefix}:shared", "by the client")
        story.results.append(cache.get("shared"))
        story.call("delete", f"{prefix}:shared")
        story.results.append(cache.exists("shared"))
    yield "a cache's keys are the client's", story.results
    story = Story(client)
    mine, others = module.DragonflyCache("cleared"), module.DragonflyCache("clearedtoo")
    for cache in (mine, others):
        for number in range(3):
            story.results.append(cache.set(f"a/{number}", number))
    story.results.append(mine.clear_all())
    story.results += [mine.get("a/0"), others.get("a/0"), mine.clear_all()]
    for cache in (module.DragonflyCache("x:y"), module.DragonflyCache("x")):
        story.results.append(cache.set("one", 1))
    story.results += [module.DragonflyCache("x").get("y:one"), module.DragonflyCache("x:y").clear_all(), module.DragonflyCache("x").get("one"),
                      module.DragonflyCache("x").get("y:one")]
    yield "clear_all", story.results


def stories(module):
    client = module.get_dragonfly_client()
    caches = {"spotify": module.get_spotify_cache(), "session": module.get_session_cache(), "user": module.get_user_cache(),
              "temp": module.get_temp_cache(), "homepage": module.DragonflyCache("homepage")}
    some = {name: caches[name] for name in ("spotify", "temp", "homepage")}
    for made in (value_stories({**some, "client": client}), key_stories({**some, "client": client}), twin_stories({**caches, "client": client}),
                 lifetime_stories(some, client), client_stories(client), shared_stories(module, client, caches)):
        yield from made


if __name__ == "__main__":
    if sys.argv[1].startswith("swingmusic_fcgi"):
        # What a busy machine delays is not to be taken for an answer here.
        importlib.import_module("swingmusic_fcgi.connection").LIMIT = 20.0
    json.dump(dict(stories(importlib.import_module(sys.argv[1]))), sys.stdout, indent=0, sort_keys=True)
