"""`fields` of the playlists' endpoints: `name,tracks.items(added_by.id,track(name,album(!images)))`.

A dot leads one step down, parentheses several, and `!` takes away instead of choosing (the Web API's reference, Get Playlist).
"""
import re

TOKEN = re.compile(r"!?[A-Za-z_]+|[.,()]")


class Malformed(Exception):
    """The text is no such filter."""


def chosen(value, text):
    """What a filter leaves of an answer."""
    tokens = TOKEN.findall(text)
    if "".join(tokens) != text:
        raise Malformed(text)
    tree = _members(tokens)
    if tokens:
        raise Malformed(text)
    return _keep(value, tree)


def _members(tokens):
    """{name: what is chosen below it, None for all of it}, up to the closing parenthesis, which stays."""
    tree = {}
    while True:
        _member(tokens, tree)
        if not tokens or tokens[0] != ",":
            return tree
        tokens.pop(0)


def _member(tokens, tree):
    if not tokens or tokens[0] in ".,()":
        raise Malformed()
    name = tokens.pop(0)
    if tokens and tokens[0] == ".":
        tokens.pop(0)
        below = {}
        _member(tokens, below)
    elif tokens and tokens[0] == "(":
        tokens.pop(0)
        below = _members(tokens)
        if not tokens or tokens.pop(0) != ")":
            raise Malformed()
    else:
        below = None
    tree[name] = {**tree[name], **below} if below and tree.get(name) else below


def _keep(value, tree):
    if tree is None:
        return value
    if isinstance(value, list):
        return [_keep(element, tree) for element in value]
    if not isinstance(value, dict):
        return value
    without = {name[1:] for name in tree if name.startswith("!")}
    wanted = {name: below for name, below in tree.items() if not name.startswith("!")}
    return {key: _keep(element, wanted.get(key)) for key, element in value.items()
            if key not in without and (not wanted or key in wanted)}
