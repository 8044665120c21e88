"""Builds what is measured: the C responders, the load generators, the Flask responder's environment, the program."""

import os
import subprocess
import sys

from . import REPOSITORY

FOLDER = REPOSITORY / "Tests/benchmark"
OUTPUT = REPOSITORY / ".build/benchmark"

SOURCES = {"plain": "floor/plain.c", "epoll": "floor/epoll.c", "http_load": "load/http_load.c", "fcgi_load": "load/fcgi_load.c"}
LIBRARIES = {"plain": ["-lfcgi", "-lpthread"], "epoll": ["-lfcgi", "-lhiredis", "-lpthread"]}


def say(text):
    print(text, file=sys.stderr, flush=True)


def compiled(name):
    """The path of one of SOURCES, compiled when its sources are newer."""
    output = OUTPUT / name
    source = FOLDER / SOURCES[name]
    newest = max(path.stat().st_mtime for path in [source, *source.parent.glob("*.h")])
    if not output.exists() or output.stat().st_mtime < newest:
        OUTPUT.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-O2", "-o", output, source, *LIBRARIES.get(name, [])], check=True)
    return str(output)


def program(given):
    """The program's release build, made when it is missing; `given` names another executable."""
    path = given or str(REPOSITORY / ".build/release/swingmusic-fcgi")
    if not given and not os.access(path, os.X_OK):
        # As the README tells to build it.
        command = ["swift", "build", "-c", "release", "--static-swift-stdlib", "--product", "swingmusic-fcgi"]
        say(f"no release build yet: {' '.join(command)} (this takes minutes)")
        subprocess.run(command, cwd=REPOSITORY, check=True, stdout=sys.stderr)
    if not os.access(path, os.X_OK):
        raise FileNotFoundError(f"no executable at {path}")
    return path


def flask_python():
    """The interpreter of a virtual environment with Flask, redis-py, gunicorn and waitress; None where PyPI is out of reach."""
    environment = OUTPUT / "venv"
    python = environment / "bin/python"
    needs = ["flask", "redis", "gunicorn", "waitress"]
    if python.exists() and subprocess.run([python, "-c", "import " + ", ".join(needs)], capture_output=True).returncode == 0:
        return str(python)
    say("installing Flask, redis-py, gunicorn and waitress into .build/benchmark/venv")
    try:
        subprocess.run([sys.executable, "-m", "venv", environment], check=True, stdout=sys.stderr)
        subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *needs], check=True, stdout=sys.stderr)
    except (OSError, subprocess.CalledProcessError) as trouble:
        say(f"Flask is left out: {trouble}")
        return None
    return str(python)
