"""docker-compose.yml as Compose reads it: YAML first, then the variables in its texts."""

import re

import yaml

_VARIABLE = re.compile(r"\$(?:(\$)|\{([A-Z_]+)(?:(:-|:\?)([^}]*))?\})")


class Missing(ValueError):
    """A variable that the file insists on is not set."""


def read(text, variables):
    """The file with these variables; one that is empty counts as not set, as `:-` and `:?` have it."""
    return _put(yaml.safe_load(text), variables)


def _put(value, variables):
    if isinstance(value, dict):
        return {name: _put(each, variables) for name, each in value.items()}
    if isinstance(value, list):
        return [_put(each, variables) for each in value]
    return _VARIABLE.sub(lambda match: _value(match, variables), value) if isinstance(value, str) else value


def _value(match, variables):
    escaped, name, how, otherwise = match.groups()
    if escaped:
        return "$"
    if variables.get(name):
        return variables[name]
    if how == ":?":
        raise Missing(f"{name}: {otherwise}")
    return otherwise or ""


def named(text):
    """(name, what comes after it, that) of each variable in the texts of a file, comments left out: `:-` a default, `:?` why it is needed."""
    return [(name, how, otherwise) for escaped, name, how, otherwise in _VARIABLE.findall(re.sub(r"(?m)^\s*#.*|\s#\s.*", "", text)) if not escaped]


def mount(text):
    """What, where to and how (`ro`, else `rw`) of a volume in the short form."""
    what, where, *how = text.split(":")
    return what, where, how[0] if how else "rw"
