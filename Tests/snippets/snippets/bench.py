"""A folder in which the lines of a shell snippet are run one by one: a copy of what the repository has for its readers, with shims in the
place of what cannot be here."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.sandbox import REPOSITORY, executable

from .markdown import without_comments

SHIMS = Path(__file__).resolve().parents[1] / "shims"
#: What the snippets name of the repository.
COPIED = ["docker-compose.yml", ".env.example", "Package.swift", "nginx", "scripts"]


class Failed(AssertionError):
    """A command of a snippet did not end well."""


class Bench:
    """A context manager. `folder`: where the commands are run; `root`: what stands in the place of /; `environment`: further variables."""

    def __init__(self, folder=None, shims=("sudo", "systemctl", "docker", "swift"), **environment):
        self._given_folder, self._shims, self._environment = folder, shims, environment

    def __enter__(self):
        self._own = Path(tempfile.mkdtemp(prefix="snippet-", dir="/tmp"))
        self._own.chmod(0o755)
        self.root, self.home, tools = self._own / "root", self._own / "home", self._own / "bin"
        self.calls_file = self._own / "calls"
        for each in (self.root, self.home, tools):
            each.mkdir()
        for name in self._shims:
            (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" "{SHIMS / name}" "$@"\n')
            (tools / name).chmod(0o755)
        (tools / "swingmusic-fcgi").symlink_to(executable())
        self.folder = self._given_folder or self._copy()
        usual = {name: os.environ[name] for name in ("LANG", "LD_LIBRARY_PATH") if name in os.environ}
        self.environment = {**usual, "PATH": f"{tools}:{os.environ['PATH']}:/usr/sbin", "HOME": str(self.home), "SNIPPETS_ROOT": str(self.root),
                            "SNIPPETS_CALLS": str(self.calls_file), "SNIPPETS_DEPLOYMENT": str(REPOSITORY / "Tests/deploy"),
                            "SNIPPETS_PROGRAM": str(executable().parent), **self._environment}
        return self

    def __exit__(self, *_):
        shutil.rmtree(self._own, ignore_errors=True)

    def _copy(self):
        folder = self._own / "work"
        folder.mkdir()
        for name in COPIED:
            source = REPOSITORY / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
        return folder

    def redirect(self, **ports):
        """curl asks 127.0.0.1 on other ports than the snippets say, and says the status on standard error."""
        lines = [f'connect-to = "127.0.0.1:{told.removeprefix("port")}:127.0.0.1:{real}"' for told, real in ports.items()]
        (self.home / ".curlrc").write_text("\n".join([*lines, "connect-timeout = 1", "max-time = 20", 'write-out = "%{stderr}%{http_code}"']) + "\n")

    def run(self, command, timeout=60):
        """One command of a snippet, which must succeed."""
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=self.folder, env=self.environment, capture_output=True,
                              text=True, stdin=subprocess.DEVNULL, timeout=timeout)
        if done.returncode != 0:
            raise Failed(f"{command!r} ends with {done.returncode}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
        return done

    def run_all(self, text):
        """Every command; what each said."""
        return [self.run(command) for command in commands(text)]

    def calls(self):
        """What was asked of docker and systemctl."""
        return [json.loads(line) for line in self.calls_file.read_text().splitlines()] if self.calls_file.exists() else []


def commands(text):
    """A snippet's commands, one a line; a line that ends in \\ goes on."""
    lines = without_comments(text).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip()]
