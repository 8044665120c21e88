"""nginx with a snippet in its configuration: sound, and then at work in front of the stack."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from harness import http
from harness.nginx import USUAL_SOCKET, USUAL_SONGS
from harness.process import LoggedProcess
from harness.sandbox import REPOSITORY, free_port
from harness.waiting import eventually

from .bench import Failed

#: What the repository's files say of the machine that they are on.
SWINGMUSIC = "http://127.0.0.1:1970"


def put(folder, name, there, instead):
    """Changes a file of a configuration, which must say what is changed."""
    path = Path(folder) / name
    text = path.read_text()
    assert there in text, f"{name} does not say {there}"
    path.write_text(text.replace(there, instead))


def own_files(folder):
    """The repository's nginx files, as its README tells to copy them."""
    shutil.copytree(REPOSITORY / "nginx/swingmusic-fcgi", folder / "swingmusic-fcgi")
    (folder / "site").mkdir()
    shutil.copy(REPOSITORY / "nginx/site/proxy.conf", folder / "site")


class Server:
    """nginx over a folder that holds nginx.conf; its addresses are put in the place of the usual ones. A context manager once it is to run."""

    def __init__(self, folder, stack, user=None):
        self.folder, self.stack, self.port = Path(folder), stack, free_port()
        self.log = self.folder / "said.log"
        put(self.folder, "swingmusic-fcgi/upstream.conf", USUAL_SOCKET, f"unix:{stack.responder.address}")
        put(self.folder, "swingmusic-fcgi/songs.conf", USUAL_SONGS, f"127.0.0.1:{free_port()}")
        put(self.folder, "site/proxy.conf", SWINGMUSIC, f"http://127.0.0.1:{stack.music.port}")
        user = " user root;" if os.geteuid() == 0 else ""
        temporary = " ".join(f"{kind}_temp_path {self.folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        text = (self.folder / "nginx.conf").read_text()
        # As a wrapper around the snippet: nothing is written outside of the folder.
        text = re.sub(r"(?m)^(\s*)http \{", rf"\1http {{ access_log {self.folder}/access.log; {temporary}", text, count=1)
        (self.folder / "nginx.conf").write_text(text)
        self._command = ["nginx", "-e", "stderr", "-p", self.folder, "-c", self.folder / "nginx.conf",
                         "-g", f"pid {self.folder}/nginx.pid; daemon off;{user}"]

    def check(self):
        """What nginx -t says, which must be that all is well."""
        done = subprocess.run([*self._command, "-t"], capture_output=True, text=True, timeout=20)
        if done.returncode != 0:
            raise Failed(done.stderr)
        return self

    def __enter__(self):
        self.process = LoggedProcess(self._command, self.log)
        try:
            eventually(lambda: self.get("/swingmusic-fcgi/healthz").status, 10, what="nginx answers")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.stop(5)

    def get(self, path, headers=None):
        return http.request(self.port, "GET", path, headers, timeout=10)


def reached(server, path, headers=None):
    """The status, and the request as swingmusic's stand-in saw it, or None."""
    before = len(server.stack.music.requests)
    status = server.get(path, headers).status
    return status, next(iter(server.stack.music.requests[before:]), None)


def expect(found, wanted, what):
    if found != wanted:
        raise Failed(f"{what}: {found}, not {wanted}")
