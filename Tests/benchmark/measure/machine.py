"""The machine and the versions that a result belongs to."""

import os
import platform
import re
import sqlite3
import subprocess
import time
from pathlib import Path

from . import REPOSITORY


def describe(python=None):
    """A dictionary of strings; `python` is the Flask responder's interpreter."""
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": commit(),
        "processor": f"{os.cpu_count()} × {processor()}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{distribution()}, Linux {platform.release()}",
        "nginx": first_line("nginx", "-v").removeprefix("nginx version: "),
        "libfcgi": first_line("dpkg-query", "-W", "-f=${Version}", "libfcgi0ldbl"),
        "sqlite": sqlite3.sqlite_version,
        "redis-server": found(r"v=(\S+)", first_line("redis-server", "--version")),
        "wrk": found(r"wrk (\S+)", first_line("wrk", "-v")),
        "swift": found(r"Swift version (\S+)", first_line("swift", "--version")),
        "flask": flask_versions(python) if python else "left out",
        "load average at start": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def commit():
    """The commit, and whether something differs from it that is not the page of results."""
    changed = subprocess.run(["git", "-C", str(REPOSITORY), "diff", "--quiet", "HEAD", "--", ".", ":!docs/performance.md"]).returncode
    return first_line("git", "-C", REPOSITORY, "describe", "--always") + ("-dirty" if changed else "")


def in_words(machine):
    """The machine on one line."""
    return "; ".join(f"{name} {value}" for name, value in machine.items())


def first_line(*command):
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=30)
    except OSError:
        return "not installed"
    return next(iter((done.stdout + done.stderr).strip().splitlines()), "")


def found(pattern, text):
    match = re.search(pattern, text)
    return match[1] if match else text


def processor():
    return found(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text()).splitlines()[0]


def distribution():
    try:
        return found(r'PRETTY_NAME="([^"]*)"', Path("/etc/os-release").read_text())
    except OSError:
        return platform.system()


def flask_versions(python):
    asked = "import importlib.metadata as m, platform; print('Python', platform.python_version(), *(f'{n} {m.version(n)}' for n in ('flask','redis','gunicorn','waitress')))"
    return first_line(python, "-c", asked)
