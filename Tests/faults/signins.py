"""Sessions: sign-ins, refreshed tokens, paired devices and their ends, and what each token may still open."""

import json
import random
import threading

from harness.http import Connection

JSON = {"Content-Type": "application/json"}
#: A route of the real swingmusic's.
OWN_ROUTE = "/notsettings"
#: Sessions that are looked at; older ones are forgotten.
KEPT = 400


class Session:
    """`state`: good, ended, or unsure: its end was asked for and nobody knows."""

    def __init__(self, user, tokens):
        self.user, self.access, self.refresh = user, [tokens["accesstoken"]], [tokens["refreshtoken"]]
        #: Whether one of its tokens was made while the clock was set: swingmusic itself may take it for one of the future.
        self.state, self.is_odd = "good", False


class SignIns:
    def __init__(self, home, users):
        self.home, self.judge, self.users = home, home.judge, users
        self.sessions, self._lock = [], threading.Lock()
        self._failed_at = {}

    def _keep(self, session):
        session.is_odd = self.home.clock_is_odd()
        with self._lock:
            self.sessions = [*self.sessions[-KEPT:], session]
        return session

    def of(self, *states):
        with self._lock:
            return [session for session in self.sessions if session.state in states]

    def forget_good(self, users=None):
        """Nothing is known of those any more that were good: they may have been ended."""
        for session in self.of("good"):
            if users is None or session.user in users:
                session.state = "unsure"

    def end_all(self, users):
        """They have ended, by what was done to their users."""
        for session in self.of("good", "unsure"):
            if session.user in users:
                session.state = "ended"

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
        self.judge.count("sign-in")
        if answer.status == 200:
            return self._keep(Session(name, answer.json()))
        # Ten that fail in a minute, for whatever reason, are a minute without any.
        if answer.status in (401, 404) and self.judge.excused("sessions", answer.started):
            self._failed_at[name] = answer.started
        elif answer.status != 429 or answer.started - self._failed_at.get(name, -100) > 65:
            self._refused(answer, f"{name} signs in")
        return None

    def refresh(self, session, connection):
        answer = connection.request("POST", "/auth/refresh", bearer(session.refresh[-1]))
        self.judge.count("refresh")
        if answer.status == 200:
            session.is_odd = session.is_odd or self.home.clock_is_odd()
            session.access.append(answer.json()["accesstoken"])
            session.refresh.append(answer.json()["refreshtoken"])
        elif session.state == "good":
            self._refused(answer, f"{session.user} refreshes")

    def pair(self, session, connection):
        answer = connection.request("GET", "/auth/getpaircode", bearer(session.access[-1]))
        if answer.status != 200:
            return self._refused(answer, f"{session.user} asks for a code") if session.state == "good" else None
        answer = connection.request("GET", f"/auth/pair?code={answer.json()['code']}")
        self.judge.count("pair")
        if answer.status == 200:
            return self._keep(Session(session.user, answer.json()))
        # A code is kept in the cache `temp`, which some faults empty, and goes with its session.
        return self._refused(answer, f"{session.user} pairs") if answer.status != 400 and session.state == "good" else None

    def log_out(self, session, connection):
        self._end(session, connection, "GET", "/auth/logout", bearer(session.access[-1]))

    def revoke(self, session, connection):
        answer = connection.request("GET", "/auth/sessions", bearer(session.access[-1]))
        if answer.status != 200:
            return self._refused(answer, f"{session.user} lists sessions") if session.state == "good" else None
        [current] = [each["id"] for each in answer.json()["sessions"] if each["current"]]
        return self._end(session, connection, "DELETE", f"/auth/sessions/{current}", bearer(session.access[-1]))

    def _end(self, session, connection, method, path, headers):
        session.state = "unsure"
        answer = connection.request(method, path, headers)
        self.judge.count("end")
        if answer.status == 200:
            session.state = "ended"
        elif answer.status != 401:
            self._refused(answer, f"{session.user} ends a session")

    def _refused(self, answer, what):
        if not self.judge.is_away(answer) and not self.judge.excused("sessions", answer.started):
            self.judge.found("good-accepted", f"{what}: {answer!r}")

    def look(self, seed, stop):
        """Whether tokens open what they may and nothing else."""
        chance = random.Random(seed)
        with Connection(self.home.port, timeout=30, source=f"127.0.5.{1 + seed % 200}") as connection:
            while not stop.wait(0.02):
                some = self.of("good", "ended")
                if some:
                    self.check(chance.choice(some), chance, connection)

    def check(self, session, chance, connection):
        before, token = session.state, chance.choice(session.access)
        path, headers = chance.choice(self.home.doors)(token)
        answer = connection.get(path, headers)
        self.judge.count("ended session" if before == "ended" else "session")
        if before == "ended" and answer.status < 400 and answer.status != 0:
            self.judge.found("ended-refused", f"{path} let an ended session of {session.user} in: {answer!r}")
        elif before == session.state == "good" and answer.status not in (200, 204) and not (session.is_odd and path == OWN_ROUTE):
            self._refused(answer, f"{path} refused a good session of {session.user}")


def bearer(token):
    return {"Authorization": f"Bearer {token}"}
