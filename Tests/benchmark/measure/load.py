"""The load generators: wrk for the rates, http_load for fixed rates and for counting tiers, fcgi_load without nginx."""

import json
import subprocess

from .build import FOLDER, compiled


def wrk(port, paths, seconds, connections=32, threads=2, headers=()):
    """Closed load: the JSON that load/paths.lua prints. `paths` is a file."""
    command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "-s", FOLDER / "load/paths.lua"]
    for header in headers:
        command += ["-H", header]
    return last_json([*command, f"http://127.0.0.1:{port}", "--", paths, threads], seconds)


def http_load(port, paths, seconds=3, connections=32, rate=0, count=None, headers=(), first=0):
    """Open load at `rate` a second, closed without one; load/http_load.c says what comes back."""
    return last_json(http_load_command(port, paths, seconds, connections, rate, count, headers, first), seconds)


def http_load_command(port, paths, seconds=3, connections=32, rate=0, count=None, headers=(), first=0):
    command = [compiled("http_load"), "-p", port, "-u", paths, "-c", connections, "-s", first]
    command += ["-n", count] if count is not None else ["-d", seconds]
    command += ["-r", rate] if rate else []
    for header in headers:
        command += ["-H", header]
    return [str(word) for word in command]


def fcgi_load(address, paths, seconds=3, connections=32, keep=True, parameters=(), count=None):
    """Closed load straight to a FastCGI Unix socket, ended by time or by `count`; load/fcgi_load.c says what comes back."""
    return last_json(fcgi_load_command(address, paths, seconds, connections, keep, parameters, count), seconds)


def fcgi_load_command(address, paths, seconds=3, connections=32, keep=True, parameters=(), count=None):
    command = [compiled("fcgi_load"), "-a", address, "-u", paths, "-c", connections, "-d", seconds]
    command += [] if keep else ["-1"]
    command += ["-n", count] if count is not None else []
    for parameter in parameters:
        command += ["-P", parameter]
    return [str(word) for word in command]


def last_json(command, seconds):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=seconds + 1800)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: {done.stdout[-500:]}{done.stderr[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])


def paths_file(sandbox, name, paths):
    """A file with one path a line, for any of the generators."""
    file = sandbox.path(f"{name}.paths")
    file.write_text("".join(f"{path}\n" for path in paths))
    return file
