"""A stand-in for what swingmusic serves besides sessions: pages, songs in ranges, events one by one. It looks at no token."""

import http.server
import threading

#: Three pieces of 2 MB, and a little.
SONG = bytes(range(256)) * 26_000
ETAG = '"1795642546.0-6656000-1"'


class MusicServer:
    """Every request is in `requests`; an answer's body names the path that came. `go_on` lets the second event go; `broken`: all is 500."""

    def __init__(self, sandbox):
        self.requests = []
        self.broken = False
        self.go_on = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.requests.append({"method": self.command, "path": self.path, "length": len(self.body),
                                       "headers": {name.lower(): value for name, value in self.headers.items()}})
                path = self.path.partition("?")[0]
                if outer.broken:
                    self.send(500, b"broken")
                elif path.startswith("/file/"):
                    self.song()
                elif path == "/events/stream":
                    self.events()
                elif path == "/slow":
                    outer.go_on.wait(30)
                    self.send(200, b"at last")
                elif path == "/unwilling":
                    self.send(401, b"swingmusic's own")
                else:
                    self.send(200, self.path.encode())

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = answer

            def send(self, status, content, **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            def song(self):
                about = {"ETag": ETAG, "Accept_Ranges": "bytes"}
                wanted = self.headers.get("Range")
                if not wanted:
                    return self.send(304 if self.headers.get("If-None-Match") == ETAG else 200, SONG, **about)
                first, last = (int(part) if part else None for part in wanted.removeprefix("bytes=").split("-"))
                if first is None:
                    first, last = len(SONG) - last, None
                if first >= len(SONG):
                    return self.send(416, b"", Content_Range=f"bytes */{len(SONG)}")
                last = len(SONG) - 1 if last is None else min(last, len(SONG) - 1)
                return self.send(206, SONG[first:last + 1], Content_Range=f"bytes {first}-{last}/{len(SONG)}", **about)

            def events(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                self.close_connection = True
                for number in (1, 2):
                    self.wfile.write(f"data: {number}\n\n".encode())
                    self.wfile.flush()
                    outer.go_on.wait(30)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        sandbox.owns(self)

    def stop(self):
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()
