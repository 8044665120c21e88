#!/usr/bin/env python3
"""Writes recorded.json: what the extended version's own module answers to the calls of calls.py, on a redis-server of its own.

usage: record.py dragonfly_client.py      a file of swingmusic's extended version (it is not part of this repository); needs redis-py
"""

import importlib.util
import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "nginx")]

import calls  # noqa: E402
from harness.redis import RedisServer  # noqa: E402
from harness.sandbox import Sandbox  # noqa: E402


def load(path):
    """The module on its own; it imports nothing else of swingmusic."""
    spec = importlib.util.spec_from_file_location("recorded_client", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main():
    with Sandbox("record") as sandbox:
        server = RedisServer(sandbox).start()
        os.environ.update(server.settings())
        found = dict(calls.stories(load(sys.argv[1])))
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(results)}" for name, results in sorted(found.items()))
    (HERE / "recorded.json").write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    main()
