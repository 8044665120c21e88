"""One nginx with a server on a port of its own for each contender, made of the repository's own nginx/ files."""

import os
import re

from harness.process import LoggedProcess
from harness.sandbox import free_port
from harness.waiting import eventually
from harness import http

from . import REPOSITORY

SHARED = REPOSITORY / "nginx/swingmusic-fcgi"

HEAD = """\
worker_processes 2;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
pid nginx.pid;
error_log stderr;
http {{
    access_log off;
    sendfile on;
    open_file_cache max=16;
    keepalive_requests 1000000000;
    keepalive_timeout 300s;
    client_body_temp_path client_body;
    fastcgi_temp_path fastcgi;
    proxy_temp_path proxy;
    scgi_temp_path scgi;
    uwsgi_temp_path uwsgi;
{servers}
}}
"""


class Front:
    """Contenders are added by name before `start`; `ports` has their ports."""

    def __init__(self, sandbox):
        self.sandbox, self.folder = sandbox, sandbox.directory("nginx")
        self.ports, self._servers, self.process = {}, [], None
        sandbox.owns(self)

    def add_file(self, name, head, body):
        """nginx serving `body` from the disk for every path, with the other contenders' header lines."""
        (self.folder / f"{name}.json").write_bytes(body)
        headers = "".join(f"add_header {field} '{value}'; " for field, value in head if field not in ("Content-Length", "ETag", "Content-Type"))
        self._add(name, f"location / {{ root {self.folder}; default_type application/json; {headers}try_files /{name}.json =404; }}")

    def add_fastcgi(self, name, socket, keep=True):
        """A responder on a Unix socket, passed to as the repository's pass.conf does; `keep`: kept connections."""
        upstream = (SHARED / "upstream.conf").read_text()
        upstream = upstream.replace("upstream swingmusic_fcgi", f"upstream {name}")
        upstream = re.sub(r"unix:[^ ;]+", f"unix:{socket}", upstream)
        passing = f"fastcgi_pass {name};\n" + (SHARED / "request.conf").read_text()
        if not keep:
            upstream = re.sub(r"^\s*keepalive.*$", "", upstream, flags=re.M)
            passing = passing.replace("fastcgi_keep_conn on", "fastcgi_keep_conn off")
        self._add(name, f"location / {{\n{passing}\n}}", upstream)

    def add_http(self, name, port):
        """An HTTP server behind nginx, over kept connections."""
        self._add(name, f"location / {{ proxy_pass http://{name}; proxy_http_version 1.1; proxy_set_header Connection ''; }}",
                  f"upstream {name} {{ server 127.0.0.1:{port}; keepalive 128; }}")

    def _add(self, name, location, upstream=""):
        self.ports[name] = free_port()
        self._servers.append(f"{upstream}\nserver {{ listen 127.0.0.1:{self.ports[name]} backlog=4096; {location} }}")

    def start(self):
        configuration = self.folder / "nginx.conf"
        configuration.write_text(HEAD.format(servers="\n".join(self._servers)))
        user = " user root;" if os.geteuid() == 0 else ""
        self.process = LoggedProcess(
            ["nginx", "-e", "stderr", "-p", self.folder, "-c", configuration, "-g", f"daemon off;{user}"], self.sandbox.path("nginx.log"))
        any_port = next(iter(self.ports.values()))
        eventually(lambda: http.request(any_port, "GET", "/", timeout=5).status, 10, what="nginx answers")
        return self

    def stop(self):
        if self.process and self.process.running:
            self.process.stop(5)
