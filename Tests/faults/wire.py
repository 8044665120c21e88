"""Between the program and the store: answers that come late, in drops, cut, with bits flipped, or are errors."""

import random
import socket
import threading
import time

from harness.sandbox import free_port

ERRORS = {"loading": b"-LOADING Dragonfly is loading the dataset in memory\r\n",
          "readonly": b"-READONLY You can't write against a read only replica.\r\n"}


class Wire:
    """`manner` is None, late, dripped, cut, flipped, loading or readonly; it counts for connections that are there too."""

    def __init__(self, sandbox, store, seed):
        self.store, self.port, self.manner = store, free_port(), None
        self._chance = random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        threading.Thread(target=self._accept, daemon=True).start()
        sandbox.owns(self)

    def settings(self):
        return {"DRAGONFLYDB_HOST": "127.0.0.1", "DRAGONFLYDB_PORT": str(self.port)}

    def stop(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.store.port), 5)
                server.settimeout(None)
            except OSError:
                client.close()
                continue
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._carry, args=(client, server, self._asked), daemon=True).start()
            threading.Thread(target=self._carry, args=(server, client, self._answered), daemon=True).start()

    def _carry(self, source, target, way):
        try:
            while data := source.recv(1 << 16):
                way(data, source, target)
        except OSError:
            pass
        for each in (source, target):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        source.close()

    def _asked(self, data, client, server):
        if self.manner in ERRORS:
            # An array's head at the start of a line for each command.
            client.sendall(ERRORS[self.manner] * max(1, data.count(b"\r\n*") + data.startswith(b"*")))
        else:
            server.sendall(data)

    def _answered(self, data, server, client):
        manner = self.manner
        if manner == "late":
            time.sleep(self._chance.uniform(0.1, 0.6))
        elif manner == "cut" and self._chance.random() < 0.2:
            client.sendall(data[:self._chance.randrange(len(data))])
            raise ConnectionError
        elif manner == "flipped" and self._chance.random() < 0.5:
            changed = bytearray(data)
            changed[self._chance.randrange(len(data))] ^= 1 << self._chance.randrange(8)
            data = bytes(changed)
        if manner == "dripped":
            for at in range(0, len(data), 7):
                client.sendall(data[at:at + 7])
                time.sleep(0.004)
        else:
            client.sendall(data)
