#!/usr/bin/env python3
"""The benchmark: builds what it needs, starts everything on this machine, measures, prints tables and stops everything.

Without a mode it compares the program's hits with nginx, C and Flask. docs/performance.md says what each mode measures and how.
"""
import argparse
import json
import os
import resource
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from measure import build, checks, comparison, durable, filled, growth, hosts, household, idle, instructions, isolation, machine, profile, soak, table, turnstile  # noqa: E402

MODES = {"compare": comparison, "durable": durable, "filled": filled, "growth": growth, "isolation": isolation, "checks": checks, "idle": idle, "turnstile": turnstile, "soak": soak,
         "hosts": hosts, "profile": profile, "instructions": instructions, "household": household}


def read_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    modes = parser.add_argument_group("modes (several may be given; compare when none is)")
    modes.add_argument("--compare", action="store_true", help="hits from each tier beside nginx, C and Flask")
    modes.add_argument("--durable", action="store_true", help="writes that outlive a power cut, on this disk and on a slow one, and hits beside them")
    modes.add_argument("--filled", action="store_true", help="hits with the fields that development mode removed, and without")
    modes.add_argument("--growth", action="store_true", help="the same hits with a thousand, 100 thousand and a million records")
    modes.add_argument("--checks", action="store_true", help="/auth/verify at 1000 a second, alone and beside 50 logins at a time")
    modes.add_argument("--isolation", action="store_true", help="latency of hits at a fixed rate while something else goes wrong")
    modes.add_argument("--idle", action="store_true", help="processor time of workers that have nothing to do")
    modes.add_argument("--turnstile", action="store_true", help="the pace of calls with several processes, and long queues")
    modes.add_argument("--hosts", action="store_true", help="what a shared store adds to a miss, and what it has to do")
    modes.add_argument("--soak", action="store_true", help="many requests, memory before and after")
    modes.add_argument("--profile", action="store_true", help="where the processor time of a hit goes, by stage and by function (perf)")
    modes.add_argument("--instructions", action="store_true", help="instructions a hit, by function (valgrind): the same on a busy machine")
    modes.add_argument("--household", action="store_true", help="two weeks of a household in simulated time, beside clients without this program")
    shape = parser.add_argument_group("shape")
    shape.add_argument("--rounds", type=int, default=5)
    shape.add_argument("--seconds", type=int, default=3, help="of one measurement")
    shape.add_argument("--connections", type=int, default=32)
    shape.add_argument("--threads", type=int, default=2, help="of wrk")
    shape.add_argument("--workers", type=int, default=2, help="processes of each responder")
    shape.add_argument("--responder-threads", type=int, default=4, help="threads of each process")
    shape.add_argument("--ids", type=int, default=40000, help="records that are asked in turn, so that memory holds few of them")
    shape.add_argument("--only", type=lambda text: text.split(","), metavar="NAME,...",
                       help="of static, plain, epoll, waiting, memory, dragonfly, sqlite, verify, flask; --instructions: session, month, unwritten, too")
    shape.add_argument("--direct", action="store_true", help="also without nginx, straight to the responders' sockets")
    shape.add_argument("--store", choices=["tcp", "unix"], default="tcp", help="how the program reaches the store")
    shape.add_argument("--flask", choices=["gunicorn", "waitress", "none"], default="gunicorn")
    more = parser.add_argument_group("of single modes")
    more.add_argument("--sizes", type=lambda text: [int(size) for size in text.split(",")], default=[1000, 100_000, 1_000_000], help="--growth")
    more.add_argument("--rate", type=int, help="--isolation: hits a second; half of what http_load reaches when not given")
    more.add_argument("--trouble", type=lambda text: text.split(","), metavar="NAME,...",
                      help="--isolation: of " + ", ".join(isolation.TROUBLES))
    more.add_argument("--idle-seconds", type=int, default=60)
    more.add_argument("--processes", type=lambda text: [int(count) for count in text.split(",")], default=[1, 2, 4, 8], help="--turnstile")
    more.add_argument("--interval", type=int, default=200, help="--turnstile: SPOTIFY_MIN_INTERVAL in milliseconds")
    more.add_argument("--lookups", type=int, default=200, help="--turnstile: queued for each number of processes")
    more.add_argument("--queues", type=lambda text: [int(length) for length in text.split(",")], default=[10, 1000, 10_000],
                      help="--turnstile: lengths of the queue")
    more.add_argument("--requests", type=int, default=1_000_000, help="--soak")
    household.add_settings(parser.add_argument_group("of the household's model (docs/household.md)"))
    parser.add_argument("--simulation", metavar="EXECUTABLE", help="--household: .build/release/household when not given, built when missing")
    parser.add_argument("--executable", help="of the program; .build/release/swingmusic-fcgi when not given, built when missing")
    parser.add_argument("--before", metavar="EXECUTABLE", type=lambda text: str(Path(text).resolve()),
                        help="--compare: another one, measured in the same rounds")
    parser.add_argument("--without-program", action="store_true", help="--compare: only the floor")
    parser.add_argument("--quote", type=Path, metavar="PAGE", help="put the tables into this page (docs/performance.md), each mode's between its marks")
    parser.add_argument("--json", metavar="FILE", help="everything measured, as JSON")
    return parser.parse_args()


def without_folder(word):
    """A word of the command line as a page shows it: where an executable lies is this machine's affair."""
    return Path(word).name if Path(word).is_absolute() else word


def main():
    options = read_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything started is stopped
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    chosen = [mode for mode in MODES if getattr(options, mode)] or ["compare"]
    options.program = None if options.without_program or chosen == ["household"] else build.program(options.executable)
    options.flask_python = build.flask_python() if "compare" in chosen and options.flask != "none" and (not options.only or "flask" in options.only) else None
    result = {"command": " ".join(["scripts/benchmark", *map(without_folder, sys.argv[1:])]), "machine": machine.describe(options.flask_python)}
    print(f"`{result['command']}`\n")
    for name, value in result["machine"].items():
        print(f"- {name}: {value}")
    for mode in chosen:
        result[mode] = MODES[mode].run(options)
        table.quote(options.quote, mode, f"`{result['command']}`, {machine.in_words(result['machine'])}")
    result["load average at end"] = " ".join(f"{load:.2f}" for load in os.getloadavg())
    print(f"load average at end: {result['load average at end']}")
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
