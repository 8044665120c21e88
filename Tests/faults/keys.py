"""Client keys: made, given tokens, revoked, and what each token may still open."""

import json
import random
import threading
import time

from harness.house import ADMIN
from harness.http import Connection
from harness.keys import FORM, GRANT, basic

from .signins import JSON, bearer


class Token:
    def __init__(self, text, is_odd):
        #: Whether it was made while the clock was set.
        self.text, self.made, self.is_odd = text, time.monotonic(), is_odd

    def may_be_over(self, home):
        """It lasts an hour. What was made before the host started goes by the wall clock alone, as it was set then and is now."""
        return self.made <= home.rebooted and (self.is_odd or home.clock_is_odd())


class Key:
    """`state`: good, ended, or unsure: its end was asked for and nobody knows."""

    def __init__(self, name, id, secret):
        self.name, self.id, self.secret = name, id, secret
        self.tokens, self.state = [], "good"

    def add(self, text, home):
        self.tokens.append(Token(text, home.clock_is_odd()))


class Keys:
    def __init__(self, home, records):
        self.home, self.judge, self.records = home, home.judge, records
        self.keys, self._lock, self._made = [], threading.Lock(), 0
        #: How often they may have been lost.
        self._losses = 0

    def of(self, *states):
        with self._lock:
            return [key for key in self.keys if key.state in states]

    def forget_good(self):
        """They may be gone, with what is known of sessions."""
        self._losses += 1
        for key in self.of("good"):
            key.state = "unsure"

    def live(self, seed, stop):
        chance = random.Random(seed)
        with Connection(self.home.port, timeout=30, source=f"127.0.13.{1 + seed % 200}") as connection:
            while not stop.wait(chance.uniform(0.3, 0.8)):
                good = self.of("good")
                if len(good) < 3:
                    self.make(connection)
                else:
                    chance.choice([self.use, self.use, self.revoke])(chance.choice(good), connection)

    def make(self, connection):
        self._made += 1
        answer = connection.request("POST", "/swingmusic-fcgi/keys", {**JSON, **ADMIN}, json.dumps({"name": f"key-{self._made}"}).encode())
        self.judge.timely("a key", answer)
        self.judge.count("key", answer.status == 201)
        if answer.status == 201:
            given = answer.json()
            with self._lock:
                # What has ended is tried to the end of the run.
                self.keys = [key for key in self.keys if key.state != "unsure"] + [Key(given["name"], given["id"], given["secret"])]
        else:
            self._refused(answer, "a key is made")

    def use(self, key, connection):
        answer = connection.request("POST", "/spotify/api/token", {"Content-Type": FORM, **basic(key.id, key.secret)}, GRANT)
        self.judge.timely("a key's token", answer)
        self.judge.count("key's token", answer.status == 200)
        if answer.status == 200:
            key.add(answer.json()["access_token"], self.home)
        elif key.state == "good":
            self._refused(answer, f"{key.name} asks for a token")

    def revoke(self, key, connection):
        losses, key.state = self._losses, "unsure"
        answer = connection.request("DELETE", f"/swingmusic-fcgi/keys/{key.name}", ADMIN)
        self.judge.timely("a key's end", answer)
        self.judge.count("key revoked", answer.status == 200)
        if answer.status == 200:
            key.state = "ended"
        elif answer.status == 404 and losses == self._losses and not any(self.judge.excused(word, answer.started) for word in ("good-accepted", "links")):
            # Who is told that there is none takes it for revoked. Where a worker died over it nginx asks another one, which finds it done.
            self.judge.found("good-accepted", f"{key.name} is revoked, and is said not to be there: {answer!r}", "keys")
        elif answer.status != 404:
            self._refused(answer, f"{key.name} is revoked")

    def _refused(self, answer, what):
        if not self.judge.is_away(answer) and not self.judge.excused("sessions", answer.started):
            self.judge.found("good-accepted", f"{what}: {answer!r}", "keys")

    def look(self, seed, stop):
        chance = random.Random(seed)
        with Connection(self.home.port, timeout=30, source=f"127.0.14.{1 + seed % 200}") as connection:
            while not stop.wait(0.1):
                some = [key for key in self.of("good", "ended") if key.tokens]
                known = self.records.some(chance)
                if some and known:
                    self.check(chance.choice(some), known, chance, connection)

    def check(self, key, known, chance, connection):
        before, token = key.state, chance.choice(key.tokens)
        answer = connection.get(f"/spotify/v1/tracks/{known}", bearer(token.text))
        self.judge.timely("a hit with a key's token", answer)
        self.judge.count("revoked key" if before == "ended" else "key used", answer.status in ((401, 403) if before == "ended" else (200, 304)))
        if before == "ended" and answer.status in (200, 304):
            self.judge.found("key-refused", f"{key.name}, which was revoked, was let in: {answer!r}")
        elif before == key.state == "good" and answer.status in (401, 403) and not token.may_be_over(self.home):
            self._refused(answer, f"a token of {key.name}")
