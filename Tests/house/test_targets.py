"""Package.swift: what is compiled again when something has changed."""

import json
import pathlib
import subprocess

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def test_every_room_names_all_that_is_below_it():
    """A release build inlines through all rooms, and SwiftPM compiles a room again for those alone that it names."""
    done = subprocess.run(["swift", "package", "--ignore-lock", "dump-package"], cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    named = {target["name"]: {words[0] for each in target["dependencies"] for words in each.values()} for target in json.loads(done.stdout)["targets"]}
    assert {"Gateway", "Catalog", "swingmusic-fcgi"} <= set(named)
    for room, below in named.items():
        missing = set().union(*(named.get(other, set()) for other in below)) - below
        assert not missing, f"{room} does not name {missing}"
