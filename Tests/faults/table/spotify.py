"""Spotify: refusals in every form, broken answers, and ways to it that are closed."""

import subprocess
import time
from email.utils import formatdate

from harness.standin import StandIn

from faults.hour import nearly_spent

from . import fault

#: What a failed call puts off: lookups, and nothing else.
QUIET = "lookups"


def answers(name, rule, excuses=QUIET, lasts=(0.6, 1.5)):
    """A rule of the stand-in's (standin/failures.py) while the fault is on."""
    @fault(f"Spotify: {name}", excuses, takes="spotify", lasts=lasts)
    def deed(run):
        since = run.standin.last_number()
        run.standin.fail(rule(run) if callable(rule) else rule)
        run.urge()
        yield
        run.standin.fail()
        if not met(run, since):
            run.report.miss(f"Spotify: {name}")


def met(run, since):
    """Whether a call was answered by a rule."""
    return any(call["behaviour"] for call in run.standin.calls(since=since, on="all"))


def limits(name, seconds, more=None, takes=""):
    """A 429 that keeps everybody from calling for so many seconds. `more`: what the rule of the stand-in's has beside that, or what makes it."""
    @fault(f"Spotify: 429, {name}", takes=f"spotify serve limiter.db {takes}", excuses=PAUSED, lasts=(1.5, 2.5))
    def deed(run):
        since = run.standin.last_number()
        run.standin.fail({"behaviour": "status", "status": 429, "times": 1, **(more() if callable(more) else more or {})})
        run.urge()
        yield
        run.standin.fail()
        if not met(run, since):
            run.report.miss(f"Spotify: 429, {name}")
        if seconds > 5:
            run.shorten_pauses()


def in_seconds(seconds):
    """A Retry-After that is a date, so far ahead and up to a second less."""
    return lambda: {"headers": {"Retry-After": formatdate(time.time() + seconds, usegmt=True)}}


#: Where a pause is lifted the program is started anew.
PAUSED = "links slow hits reads writes sessions lookups"

answers("401", {"behaviour": "status", "status": 401, "message": "The access token expired", "times": 2})
# A refusal of a known thing may cost a control call for another.
answers("403 of the thing", {"behaviour": "status", "status": 403, "message": "Forbidden", "times": 2}, "once lookups")
answers("404", {"behaviour": "status", "status": 404, "message": "Non existing id", "times": 3})
answers("410", {"behaviour": "status", "status": 410, "times": 3})
limits("Retry-After in seconds", 3, {"retry_after": 3})
limits("Retry-After as a date", 4, in_seconds(4), takes="clock")
limits("no Retry-After", 30)
limits("Retry-After of 0", 30, {"retry_after": 0})
limits("Retry-After that is no number", 30, {"headers": {"Retry-After": "soon"}})
limits("Retry-After of a day", 86_400, {"retry_after": 86_400})
limits("QUOTA_EXCEEDED", 3600, {"retry_after": 3600, "reason": "QUOTA_EXCEEDED"})
answers("500", {"behaviour": "status", "status": 500, "times": 2})
answers("503 with Retry-After", {"behaviour": "status", "status": 503, "retry_after": 2, "times": 1}, lasts=(2, 3))
answers("reset", {"behaviour": "reset", "times": 3})
answers("closed", {"behaviour": "close", "times": 3})
answers("half a head", {"behaviour": "half_head", "times": 2})
answers("slow bytes", {"behaviour": "drip", "bytes": 40, "ms": 60, "times": 2}, lasts=(2, 4))
answers("no answer", {"behaviour": "hang", "times": 1}, lasts=(3.5, 4))
answers("truncated", {"behaviour": "truncate", "times": 3})
answers("chunks cut", {"behaviour": "chunked_cut", "times": 2})
answers("JSON cut, its length right", {"behaviour": "bad_json", "times": 3})
answers("gzip cut", {"behaviour": "gzip_cut", "times": 2})
answers("garbage", {"behaviour": "garbage", "times": 3})
answers("HTML", {"behaviour": "not_json", "times": 3})
answers("empty", {"behaviour": "empty", "times": 3})
answers("64 MB", {"behaviour": "huge", "bytes": 64 << 20, "times": 1}, lasts=(2, 3))
answers("redirect", {"behaviour": "redirect", "location": "http://127.0.0.1:9/v1/tracks/x", "times": 2})
answers("another id's object", lambda run: {"behaviour": "status", "status": 200, "body": run.body_of_a_known_one(), "times": 2})


@fault("Spotify: 403 of the account", PAUSED + " once", takes="spotify serve limiter.db", lasts=(1.5, 3))
def account_refused(run):
    run.standin.control("settings", {"premium": False})
    run.urge()
    yield
    run.standin.control("settings", {"premium": True})
    run.shorten_pauses()


def token(name, rule):
    @fault(f"Spotify: token {name}", PAUSED, takes="spotify serve limiter.db", lasts=(1, 2))
    def deed(run):
        since = run.standin.last_number()
        run.standin.fail({"on": "token", **rule})
        run.standin.control("token", {"revoke": True})
        run.urge()
        yield
        run.standin.fail()
        if not met(run, since):
            run.report.miss(f"Spotify: token {name}")
        run.shorten_pauses()


token("refused", {"behaviour": "status", "status": 400, "body": '{"error":"invalid_client"}'})
token("malformed", {"behaviour": "status", "status": 200, "body": '{"access_token":7}'})


@fault("Spotify: the hour is spent", PAUSED, takes="spotify serve limiter.db clock", lasts=(1.5, 2.5))
def spent(run):
    """More is asked for than is left of the hour, and a worker is killed over it."""
    with nearly_spent(run, left=4):
        run.urge(12)
        time.sleep(run.chance.uniform(0, 1))
        run.home.kill(run.chance.choice(run.workers()))
        yield


@fault("Spotify: TLS name wrong", PAUSED, takes="spotify serve limiter.db", lasts=(2, 3))
def wrong_name(run):
    box = run.home.sandbox
    certificate, key = box.path("other.crt"), box.path("other.key")
    if not certificate.exists():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=other.test", "-keyout", key, "-out",
                        certificate], check=True, stderr=subprocess.DEVNULL)
    if not run.secret:
        run.secret = StandIn(box, "--tls", str(certificate), str(key))
        run.secret.figures = lambda: True
        run.secret.start()
    usual = {name: run.home.responder.settings[name] for name in ("SPOTIFY_API_URL", "SPOTIFY_ACCOUNTS_URL")}
    run.home.stop_program()
    run.home.start_program(**dict.fromkeys(usual, f"https://spotify.test:{run.secret.port}"))
    run.urge()
    yield
    run.shorten_pauses(**usual)


def names(name, number, lasts):
    @fault(f"Spotify: {name}", PAUSED, takes="spotify serve limiter.db", lasts=lasts)
    def deed(run):
        run.home.host.set(names=number)
        run.standin.control("close_idle")
        run.urge()
        yield
        run.home.host.set(names=0)
        run.shorten_pauses()


names("no such name", 1, (1, 2))
names("name service hangs", 2, (3, 4))
