"""python -m swingmusic_fcgi enable [--replace] | disable | status"""

from __future__ import annotations

import argparse
import sys
from typing import List, Optional

from . import importing


def _status() -> int:
    from .dragonfly_client import get_dragonfly_client
    from .program import program

    files = importing.enabled()
    print(f"{importing.NAME}: " + (f"switched on by {files[0]}" if files else "not switched on"))
    answers = get_dragonfly_client().is_available()
    print(f"{program().url}: " + ("answers, and takes the token" if answers else "does not answer, or refuses the token"))
    return 0 if answers else 1


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m swingmusic_fcgi", description=f"Switches {importing.NAME} on and off in this environment.")
    commands = parser.add_subparsers(dest="command", required=True)
    enable = commands.add_parser("enable", help="answer that import from now on")
    enable.add_argument("--replace", action="store_true", help="also where swingmusic has such a module of its own")
    commands.add_parser("disable", help="do not answer it any more")
    commands.add_parser("status", help="whether it is switched on, and whether swingmusic-fcgi answers")
    chosen = parser.parse_args(arguments)
    if chosen.command == "status":
        return _status()
    try:
        if chosen.command == "enable":
            print(f"switched on by {importing.enable(chosen.replace)}; restart what is running")
        else:
            removed = importing.disable()
            print("".join(f"removed {path}\n" for path in removed) or "was not switched on\n", end="")
    except OSError as error:
        print(f"{error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
