"""Spotify's host names lead to the loopback, and no library is told.

A library keeps its own addresses, TLS and certificate check. Only the resolver of this process says 127.0.0.1 and a port of the test's
where it is asked for one of Spotify's names; the certificate there is of an authority made for the test, which stands in the place of
the system's and of certifi's. Any other name is not found: nothing leaves this machine.
"""
import os
import socket

import certifi

HOSTS = {"api.spotify.com", "accounts.spotify.com"}


def lead(port):
    """From now on; before the libraries are imported."""
    usual = socket.getaddrinfo
    certifi.where = lambda: os.environ["SSL_CERT_FILE"]

    def getaddrinfo(host, service, *more, **named):
        name = host.decode() if isinstance(host, bytes) else host
        if name in HOSTS:
            return usual("127.0.0.1", port, *more, **named)
        if name in ("127.0.0.1", "localhost", None):
            return usual(host, service, *more, **named)
        raise socket.gaierror(socket.EAI_NONAME, f"{name} is not for tests")
    socket.getaddrinfo = getaddrinfo
