"""nginx's configuration as directives, with what it includes put in its place."""

import re
from dataclasses import dataclass, field


@dataclass
class Directive:
    name: str
    words: list
    inner: list = field(default_factory=list)


_TOKEN = re.compile(r"""\s+|\#[^\n]*|([{};])|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?:\\.|[^\s{};])+)""")


def parse(text):
    """The directives of a text, in their order."""
    return _block(iter([match.group(1) or match.group(2) for match in _TOKEN.finditer(text) if match.group(1) or match.group(2)]))


def _block(tokens):
    found, words = [], []
    for token in tokens:
        if token == "}":
            return found
        if token in (";", "{"):
            directive = Directive(words[0], words[1:], _block(tokens) if token == "{" else [])
            found.append(directive)
            words = []
        else:
            words.append(token)
    return found


def included(directives, read):
    """The same with every include replaced by what `read` gives for its path."""
    found = []
    for each in directives:
        if each.name == "include":
            found += included(parse(read(each.words[0])), read)
        else:
            found.append(Directive(each.name, each.words, included(each.inner, read)))
    return found


def every(directives, name):
    """The words of all directives of that name, however deep."""
    found = []
    for each in directives:
        if each.name == name:
            found.append(each.words)
        found += every(each.inner, name)
    return found


def public(directives):
    """The words of each `listen` that others than nginx itself may reach."""
    own = {words[0] for words in every(directives, "server") if len(words) == 1}
    return [words for words in every(directives, "listen") if words[0] not in own]


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h|d|)", text).groups()
    return int(number) * {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[unit]
