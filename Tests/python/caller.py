"""Environments of Python, and programs that run in them and ask the program under test."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

#: For /cache alone.
CACHE_TOKEN = "the-cache-token-of-the-tests-8f14e45fceea"


class Environment:
    """A virtual environment."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.python = self.folder / "bin/python"

    @classmethod
    def made(cls, folder, *words):
        # Not from the tests' own: its packages would be there, too.
        subprocess.run([sys._base_executable, "-m", "venv", *words, folder], check=True)
        return cls(folder)

    def pip(self, *words):
        return subprocess.run([self.python, "-m", "pip", *words], capture_output=True, text=True)

    def having(self, wheel):
        done = self.pip("install", "-q", "--no-index", "--no-deps", wheel)
        assert done.returncode == 0, done.stderr
        return self

    @property
    def packages(self):
        [found] = self.folder.glob("lib/*/site-packages")
        return found


class Caller:
    """Runs programs in an environment. `way`: `http` through nginx, or `unix` to the program's own socket."""

    def __init__(self, environment, house, way, token=CACHE_TOKEN, **variables):
        self.environment, self.house, self.way = environment, house, way
        url = f"http://127.0.0.1:{house.port}" if way == "http" else f"unix:{house.responder.address}"
        self.variables = {"SWINGMUSIC_FCGI_URL": url, "SWINGMUSIC_FCGI_CACHE_TOKEN": token, **variables}

    def settings(self):
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        kept["PYTHONDONTWRITEBYTECODE"] = "1"
        return {**kept, **{name: str(value) for name, value in self.variables.items() if value is not None}}

    def start(self, *words):
        return subprocess.Popen([self.environment.python, *words], env=self.settings(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def run(self, *words, timeout=100):
        """What a command prints; it must end well."""
        done = subprocess.run([self.environment.python, *words], env=self.settings(), capture_output=True, text=True, timeout=timeout)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def run_code(self, code, **more):
        """What a program prints as JSON."""
        return json.loads(self.run("-c", textwrap.dedent(code), **more))


class Talk:
    """A process that stays, with the module as `m`, and says what each line of code is worth and how many seconds it took."""

    LOOP = """
import sys, time
from swingmusic_fcgi import dragonfly_client as m
from swingmusic_fcgi import connection
for line in sys.stdin:
    began = time.monotonic()
    value = eval(line)
    print(repr((value, time.monotonic() - began)), flush=True)
"""

    def __init__(self, caller):
        self.process = caller.start("-c", self.LOOP)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        finally:
            self.process.kill()
            self.process.stdout.close()
            self.process.stderr.close()

    def ask(self, code):
        """(value, seconds)"""
        self.process.stdin.write(code + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return eval(line, {"__builtins__": {}, "nan": float("nan")})

    def value(self, code):
        return self.ask(code)[0]
