"""Spotify's host names lead to the loopback, and no library is told.

A library keeps its own addresses, TLS and certificate check. Only, in this process Spotify's names resolve to 127.0.0.1, and the port 443 there is
one of the test's; the certificate behind it is of an authority made for the test, which stands in the place of the system's and of
certifi's. Any other name is not found: nothing leaves this machine.
"""
import os
import socket

import certifi

HOSTS = {"api.spotify.com", "accounts.spotify.com"}


def lead(port):
    """From now on; before the libraries are imported."""
    resolve, connect = socket.getaddrinfo, socket.socket.connect
    certifi.where = lambda: os.environ["SSL_CERT_FILE"]

    def getaddrinfo(host, *more, **named):
        name = host.decode() if isinstance(host, bytes) else host
        if name in HOSTS:
            return resolve("127.0.0.1", *more, **named)
        if name in ("127.0.0.1", "localhost", None):
            return resolve(host, *more, **named)
        raise socket.gaierror(socket.EAI_NONAME, f"{name} is not for tests")

    def connected(self, address):
        return connect(self, ("127.0.0.1", port) if address == ("127.0.0.1", 443) else address)
    socket.getaddrinfo, socket.socket.connect = getaddrinfo, connected


if "LOOPBACK_PORT" in os.environ:  # as a plugin of a library's own pytest
    lead(int(os.environ["LOOPBACK_PORT"]))
