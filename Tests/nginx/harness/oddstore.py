"""Stores that are not well: something listens on the port, but it is no healthy Redis-protocol server."""

import socket
import threading

from .sandbox import free_port


class OddStore:
    """`manner` is `silent` (accepts, never answers), `http` (answers like a web server), `loading` (answers -LOADING to
    everything), `garbage` (bytes that are no reply) or `closing` (closes what it accepts)."""

    ANSWERS = {
        "http": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "loading": b"-LOADING Dragonfly is loading the dataset in memory\r\n",
        "garbage": b"\x00\xff\x17 $nonsense *99999999\r\n\r\n",
    }

    def __init__(self, sandbox, manner, port=None):
        self.manner, self.port = manner, port or free_port()
        self.accepted = 0
        self._connections = []
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        threading.Thread(target=self._accept, daemon=True).start()
        sandbox.owns(self)

    def settings(self):
        return {"DRAGONFLYDB_HOST": "127.0.0.1", "DRAGONFLYDB_PORT": str(self.port)}

    def stop(self):
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        for connection in self._connections:
            connection.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._connections.append(connection)
            if self.manner == "closing":
                connection.close()
            elif self.manner != "silent":
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            while data := connection.recv(1 << 20):
                connection.sendall(self._answer(data))
                if self.manner == "http":
                    connection.close()
                    return
        except OSError:
            pass

    def _answer(self, data):
        if self.manner != "loading":
            return self.ANSWERS[self.manner]
        # One answer per command: each begins with an array header at the start of a line.
        return self.ANSWERS["loading"] * max(1, data.count(b"\r\n*") + data.startswith(b"*"))


class NamelessStore:
    """A way to a healthy store that does not say which process it is, as DragonflyDB does not: INFO has no `run_id`."""

    def __init__(self, sandbox, store):
        self._store, self.port = store, free_port()
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        threading.Thread(target=self._accept, daemon=True).start()
        sandbox.owns(self)

    def stop(self):
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._store.port), 5)
                far.settimeout(None)
            except OSError:
                near.close()
                continue
            threading.Thread(target=self._pass, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(far, near, True), daemon=True).start()

    @staticmethod
    def _pass(source, sink, is_answer):
        try:
            while data := source.recv(1 << 20):
                # The answer to INFO comes in one piece. As long as it was, so that its length is right.
                sink.sendall(data.replace(b"\nrun_id:", b"\nrun_no:") if is_answer else data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
