"""Sessions: sign-ins, refreshed tokens, paired devices and their ends, and what each token may still open."""

import collections
import json
import random
import threading
import time

from harness.http import Connection

JSON = {"Content-Type": "application/json"}
#: A route of the real swingmusic's.
OWN_ROUTE = "/notsettings"
#: Sessions of late. Of older ones those are kept that are good, and those that have ended, to the end of the run.
KEPT = 400
#: Wrong passwords of one address in a minute, after which it gets 429.
GUESSES = 10


class Session:
    """`state`: good, ended, or unsure: its end was asked for and nobody knows."""

    def __init__(self, user, tokens):
        self.user, self.access, self.refresh = user, [tokens["accesstoken"]], [tokens["refreshtoken"]]
        #: Whether one of its tokens was made while the clock was set: swingmusic itself may take it for one of the future.
        self.state, self.is_odd = "good", False


class SignIns:
    def __init__(self, home, users):
        self.home, self.judge, self.users = home, home.judge, users
        self.sessions, self.old, self._lock = [], [], threading.Lock()
        self._failed = collections.defaultdict(lambda: collections.deque(maxlen=GUESSES))
        #: How often a user's sessions may have been lost.
        self._losses = collections.Counter()

    def _keep(self, session):
        session.is_odd = self.home.clock_is_odd()
        with self._lock:
            self.sessions.append(session)
            if len(self.sessions) > 2 * KEPT:
                earlier, late = self.sessions[:-KEPT], self.sessions[-KEPT:]
                self.old.extend(each for each in earlier if each.state == "ended")
                self.sessions = [each for each in earlier if each.state == "good"] + late
        return session

    def of(self, *states):
        with self._lock:
            return [session for session in self.sessions if session.state in states]

    def forget_good(self, users=None):
        """Nothing is known of those any more that were good: they may have been ended."""
        self._losses.update(self.users if users is None else users)
        for session in self.of("good"):
            if users is None or session.user in users:
                session.state = "unsure"

    def live(self, name, seed, stop):
        """One user's doings, one after the other."""
        chance = random.Random(seed)
        with Connection(self.home.port, timeout=30, source=f"127.0.4.{1 + seed % 200}") as connection:
            while not stop.wait(chance.uniform(0.05, 0.4)):
                mine = [session for session in self.of("good") if session.user == name]
                if len(mine) < 2:
                    self.sign_in(name, connection)
                    continue
                deed = chance.choice([self.refresh, self.pair, self.log_out, self.revoke, self.sign_in_again])
                deed(chance.choice(mine), connection)

    def sign_in_again(self, session, connection):
        self.sign_in(session.user, connection)

    def sign_in(self, name, connection):
        body = json.dumps({"username": name, "password": self.home.password(name)}).encode()
        answer = connection.request("POST", "/auth/login", JSON, body)
        self.judge.timely("a sign-in", answer)
        self.judge.count("sign-in", answer.status == 200)
        if answer.status == 200:
            return self._keep(Session(name, answer.json()))
        # Ten that fail in a minute are a minute without any; and one that a worker died over counts for as long.
        failed = self._failed[name]
        if self.judge.is_away(answer) or (answer.status in (401, 404) and self.judge.excused("sessions", answer.started)):
            failed.append(answer.started)
        elif answer.status != 429 or len(failed) < GUESSES or answer.started - failed[-GUESSES] > 65:
            self._refused(answer, f"{name} signs in")
        return None

    def refresh(self, session, connection):
        answer = connection.request("POST", "/auth/refresh", bearer(session.refresh[-1]))
        self.judge.timely("a refresh", answer)
        self.judge.count("refresh", answer.status == 200)
        if answer.status == 200:
            session.is_odd = session.is_odd or self.home.clock_is_odd()
            session.access.append(answer.json()["accesstoken"])
            session.refresh.append(answer.json()["refreshtoken"])
        elif session.state == "good":
            self._refused(answer, f"{session.user} refreshes")

    def pair(self, session, connection):
        begin, losses = time.monotonic(), self._losses[session.user]
        answer = connection.request("GET", "/auth/getpaircode", bearer(session.access[-1]))
        self.judge.timely("a code", answer)
        if answer.status != 200:
            return self._refused(answer, f"{session.user} asks for a code") if session.state == "good" else None
        answer = connection.request("GET", f"/auth/pair?code={answer.json()['code']}")
        self.judge.timely("a pairing", answer)
        self.judge.count("pair", answer.status == 200)
        if answer.status == 200:
            return self._keep(Session(session.user, answer.json()))
        if losses != self._losses[session.user] or session.state != "good":
            return None
        # A code is kept in `sessions.db`, and goes with its session.
        if answer.status == 400:
            if not self.judge.excused("good-accepted", begin) and not self.may_be_repeated(answer):
                self.judge.found("good-accepted", f"{session.user} pairs with a code of a moment ago: {answer!r}", "pair")
            return None
        return self._refused(answer, f"{session.user} pairs")

    def log_out(self, session, connection):
        self._end(session, connection, "GET", "/auth/logout", bearer(session.access[-1]))

    def revoke(self, session, connection):
        answer = connection.request("GET", "/auth/sessions", bearer(session.access[-1]))
        self.judge.timely("a list of sessions", answer)
        if answer.status != 200:
            return self._refused(answer, f"{session.user} lists sessions") if session.state == "good" else None
        current = next((each["id"] for each in answer.json()["sessions"] if each["current"]), None)
        if current is None:  # it has ended meanwhile
            return self._refused(answer, f"{session.user} finds itself in no list of sessions") if session.state == "good" else None
        return self._end(session, connection, "DELETE", f"/auth/sessions/{current}", bearer(session.access[-1]))

    def _end(self, session, connection, method, path, headers):
        losses, session.state = self._losses[session.user], "unsure"
        answer = connection.request(method, path, headers)
        self.judge.timely("an end", answer)
        self.judge.count("end", answer.status == 200)
        if answer.status == 200:
            session.state = "ended"
        elif answer.status not in (401, 404) or (losses == self._losses[session.user] and not self.may_be_repeated(answer)):
            # Who is told that there is no such session takes it for ended.
            self._refused(answer, f"{session.user} ends a session")

    def may_be_repeated(self, answer):
        """Whether a worker may have carried out what was asked for and died before it said so: nginx then asks another one, which finds it done."""
        return self.judge.excused("links", answer.started)

    def _refused(self, answer, what):
        if not self.judge.is_away(answer) and not self.judge.excused("sessions", answer.started):
            self.judge.found("good-accepted", f"{what}: {answer!r}", what.partition(" ")[2])

    def look(self, seed, stop):
        """Whether tokens open what they may and nothing else."""
        chance = random.Random(seed)
        with Connection(self.home.port, timeout=30, source=f"127.0.5.{1 + seed % 200}") as connection:
            while not stop.wait(0.02):
                some = self.old if chance.random() < 0.2 and self.old else self.of("good", "ended")
                if some:
                    self.check(chance.choice(some), chance, connection)

    def check(self, session, chance, connection):
        """One of its tokens at one of the doors, or once in six times, where it has ended, whether it can be renewed."""
        before = session.state
        if before == "ended" and chance.random() < 1 / 6:
            path, answer = "/auth/refresh", connection.request("POST", "/auth/refresh", bearer(chance.choice(session.refresh)))
        else:
            path, headers = chance.choice(self.home.doors)(chance.choice(session.access))
            answer = connection.get(path, headers)
        self.judge.timely("a look at a session", answer)
        name = path.rpartition("/")[0] if path.startswith("/spotify/") else path
        if before == "ended":
            self.judge.count("ended session", answer.status in (401, 403, 422))
            if answer.status < 400 and answer.status != 0:
                self.judge.found("ended-refused", f"{path} let an ended session of {session.user} in: {answer!r}", name)
        elif before == session.state == "good":
            self.judge.count("session", answer.status < 400 and answer.status != 0)
            if not self._may_refuse(answer, session, path):
                self._refused(answer, f"{path} refused a good session of {session.user}")

    @staticmethod
    def _may_refuse(answer, session, path):
        """Whether this says nothing against the door: swingmusic has the wall clock alone, and what is asked for may not be known."""
        if path.startswith("/spotify/"):
            return answer.status not in (401, 403)
        return answer.status in (200, 204) or (session.is_odd and path == OWN_ROUTE)


def bearer(token):
    return {"Authorization": f"Bearer {token}"}
