"""The household's own Spotify account: `connect`, and the browser that its owner agrees in."""

import contextlib
import subprocess
import urllib.parse

from . import http
from .sandbox import executable, free_port


def environment(house, **settings):
    return house.sandbox.environment(**{**house.responder.settings, **settings})


@contextlib.contextmanager
def asking(house, *words, port=None, registered=True, **settings):
    """`connect` as it waits for the owner: the process, with the `address` that it shows. `words`: more of its command."""
    port = port or free_port()
    redirect = f"http://127.0.0.1:{port}/"
    house.standin.control("account", {"redirects": [redirect] if registered else []})
    process = subprocess.Popen([executable(), "connect", *words, "--port", str(port)], env=environment(house, **settings), stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.port, process.redirect, process.address, process.shown = port, redirect, None, ""
    try:
        for line in process.stdout:
            process.shown += line
            if line.strip().startswith("http"):
                process.address = line.strip()
            if "paste" in line:
                break
        yield process
    finally:
        process.kill()
        process.communicate()


def browser(house, process):
    """What the browser gets for the address: the stand-in's answer."""
    target = urllib.parse.urlsplit(process.address)
    assert target.port == house.standin.port
    return http.request(target.port, "GET", f"{target.path}?{target.query}")


def sent_back(process, location):
    """The answer of `connect` to the browser that was sent there."""
    target = urllib.parse.urlsplit(location)
    assert (target.hostname, target.port) == ("127.0.0.1", process.port)
    return http.request(process.port, "GET", f"{target.path}?{target.query}")


def ended(process, status):
    out, err = process.communicate(timeout=30)
    assert process.returncode == status, (out, err)
    return process.shown + out if status == 0 else err


def connect(house, *words):
    with asking(house, *words) as process:
        sent_back(process, browser(house, process).headers["location"])
        assert "Connected. The consent ends on 20" in ended(process, 0)
