"""A unit file of systemd."""

import re


class Unit:
    def __init__(self, text):
        #: (name, value), comments and sections taken out.
        self.pairs = [tuple(line.split("=", 1)) for line in text.splitlines() if re.match(r"[A-Za-z]+=", line)]

    def values(self, name):
        return [value for known, value in self.pairs if known == name]

    def value(self, name):
        return (self.values(name) or [""])[-1]

    def environment(self):
        return dict(value.split("=", 1) for value in self.values("Environment"))
