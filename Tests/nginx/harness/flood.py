"""Very many requests in a short time: each connection sends a batch before it reads the answers (HTTP pipelining)."""

import collections
import itertools
import socket
import threading

from .http import encode, parse_head

BATCH = 50
#: nginx ends a kept connection after a thousand requests (keepalive_requests).
ERRAND = 1000


class Flood:
    """`statuses` counts the answers by status; `bodies` holds every different body per path."""

    def __init__(self, port, paths, count, connections=4):
        self.port, self.statuses, self.bodies = port, collections.Counter(), collections.defaultdict(set)
        self.troubles = []
        self._lock = threading.Lock()
        turns = list(itertools.islice(itertools.cycle(paths), count))
        share = -(-count // connections)
        threads = [threading.Thread(target=self._run, args=(turns[at:at + share],)) for at in range(0, count, share)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _run(self, paths):
        try:
            for at in range(0, len(paths), ERRAND):
                self._errand(paths[at:at + ERRAND])
        except (OSError, ValueError, IndexError, KeyError) as error:
            self.troubles.append(repr(error))

    def _errand(self, paths):
        with socket.create_connection(("127.0.0.1", self.port), 60) as connection:
            file = connection.makefile("rb")
            for at in range(0, len(paths), BATCH):
                self._batch(connection, file, paths[at:at + BATCH])

    def _batch(self, connection, file, paths):
        host = f"127.0.0.1:{self.port}"
        connection.sendall(b"".join(encode("GET", path, None, b"", host) for path in paths))
        for path in paths:
            lines = []
            while (line := file.readline()) not in (b"\r\n", b""):
                lines.append(line)
            status, headers = parse_head(b"".join(lines)[:-2])
            body = file.read(int(headers["content-length"]))
            with self._lock:
                self.statuses[status] += 1
                self.bodies[path].add(body)
