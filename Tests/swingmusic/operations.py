"""Every operation of swingmusic's own description, as requests that mean something, and what each kind of caller is answered."""

import json
import re
import secrets
import time
import urllib.parse

from harness.swingmusic import claims, token
from harness.waiting import eventually
from house import JSON, Site, credentials, password

METHODS = ("get", "post", "put", "delete")

#: Who asks. `none` to `forged` are refused wherever it is not open.
STRANGERS = ("none", "ended", "forged")
USERS = {"user": "ben", "admin": "ada"}
CALLERS = (*STRANGERS, *USERS)

#: What swingmusic answers and does not describe.
UNDESCRIBED = [("get", path) for path in ("/events/status", "/docs/", "/docs/openapi.json", "/assets/index.js", "/favicon.ico", "/unknown")]

#: Values of parameters and of bodies, by name. What depends on the caller or on the songs is `Twin.values`'.
VALUES = {
    "size": "small", "imgpath": "none.webp", "itemtype": "tracks", "q": "song", "mixid": "x", "sourcehash": "x", "mixtype": "artists",
    "albumlimit": 5, "artistlimit": 5, "code": "none", "type": "track", "base_title": "x", "og_album_title": "x", "backup_dir": "none",
    "description": "of the tests", "duration": 6, "source": "fo:/", "timestamp": 1,
    "device_id": "x", "license_key": "x", "device_name": "x", "key": "usersOnLogin", "value": True, "new_dirs": [], "removed": [],
    "tracks": [], "image": "", "settings": "{}", "plugin": "none", "active": False, "token": "x", "album": "x", "artist": "x", "title": "x",
    "limit": 5, "start": 0,
}

#: Bodies in place of what the description would lead to.
BODIES = {
    ("post", "/auth/login"): lambda caller: {"username": USERS.get(caller, "nobody"), "password": password(USERS.get(caller, ""))},
    ("post", "/auth/profile/create"): lambda caller: {"username": f"new of {caller}", "password": "a long password"},
    ("put", "/auth/profile/update"): lambda caller: {"username": USERS.get(caller, "nobody")},
    ("delete", "/auth/profile/delete"): lambda caller: {"username": "cleo"},
}

#: Parameters whose name has another meaning elsewhere.
PARAMETERS = {"/getall/{itemtype}": {"itemtype": "albums"}}

#: What takes its caller's session with it.
SPENDS = ("/auth/logout",)


class Twin(Site):
    """One of two houses that go through the same: `ask` goes through us, or to swingmusic itself when `alone`."""

    def __init__(self, sandbox, alone):
        super().__init__(sandbox, songs=(1, 1, 1))
        self.alone = alone
        self.swingmusic.start()
        if not alone:
            self.responder.start()
            self.nginx.start()
        self._first_steps()

    def ask(self, method, path, *rest, **more):
        return super().ask(method, path, *rest, **{"port": self.swingmusic.port if self.alone else None, **more})

    def _first_steps(self):
        self.make_user("ada")
        admin = self.log_in("ada")
        for name in ("ben", "cleo"):
            self.make_user(name, admin)
        self.post("/notsettings/add-root-dirs", {"new_dirs": [str(self.swingmusic.music)], "removed": []}, admin)
        self.song = eventually(lambda: self.post("/folder", {"folder": str(self.swingmusic.music)}, admin).json()["tracks"][0], 60,
                               what="swingmusic has scanned the songs")
        self.tokens = {caller: self.log_in(name) for caller, name in USERS.items()}
        self.numbers = {}
        for number, (caller, token_of_caller) in enumerate(self.tokens.items(), 1):
            self.post("/playlists/new", {"name": f"list of {caller}"}, token_of_caller)
            self.post("/collections", {"name": f"collection of {caller}", "description": "", "items": []}, token_of_caller)
            self.numbers[caller] = number

    def values(self, caller):
        song, artist = self.song, self.song["artists"][0]["artisthash"]
        number = self.numbers.get(caller, 1)
        item = {"type": "track", "hash": song["trackhash"]}
        return {**VALUES, "item": item, "items": [item], "path": str(self.swingmusic.music), "trackhash": song["trackhash"], "albumhash": song["albumhash"], "artisthash": artist, "albumartists": [artist],
                "hash": song["trackhash"], "itemhash": song["trackhash"], "filepath": song["filepath"], "ending_file": song["filepath"],
                "starting_file": song["filepath"], "folder": str(self.swingmusic.music), "playlistid": number, "collection_id": number,
                "name": f"name of {caller}", "playlist_name": f"saved by {caller}"}

    def token_of(self, caller, path):
        if caller == "none":
            return None
        if caller == "ended":
            ended = self.log_in("ada")
            assert self.get("/auth/logout", ended).status == 200
            return ended
        if caller == "forged":
            return token({**claims(1, issued=int(time.time())), "sub": {"id": 1, "username": "ada"}}, secrets.token_hex(32))
        return self.log_in(USERS[caller]) if path in SPENDS else self.tokens[caller]

    def asked(self, operation, caller, token_of_caller, by_cookie):
        """The answer to an operation: (method, path, its description)."""
        method, path, described = operation
        values = {**self.values(caller), **PARAMETERS.get(path, {})}
        parameters = described.get("parameters", [])
        target = re.sub(r"\{([^}]*)\}", lambda found: urllib.parse.quote(str(values[found[1]])), path)
        query = {each["name"]: values[each["name"]] for each in parameters if each["in"] == "query" and each.get("required")}
        headers, body = self.body(operation, caller, values)
        headers = {**headers, **(credentials(cookie=token_of_caller) if by_cookie else credentials(token_of_caller))}
        return self.ask(method.upper(), target + (f"?{urllib.parse.urlencode(query)}" if query else ""), headers=headers, body=body)

    def body(self, operation, caller, values):
        method, path, described = operation
        if (method, path) in BODIES:
            return JSON, json.dumps(BODIES[method, path](caller)).encode()
        wanted = described.get("requestBody", {}).get("content", {})
        if "multipart/form-data" in wanted:
            return self.form({name: values[name] for name in wanted["multipart/form-data"]["needs"]})
        if not wanted:
            return {}, b""
        return JSON, json.dumps({name: values[name] for name in wanted["application/json"]["needs"]}).encode()


    @staticmethod
    def form(fields):
        """As a browser sends one (RFC 7578), no picture chosen."""
        parts = "".join(f'--line\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items())
        return {"Content-Type": "multipart/form-data; boundary=line"}, f"{parts}--line--\r\n".encode()


def operations(twin):
    """(method, path, description) of all, in an order in which nothing that is needed is taken away: what deletes comes last."""
    description = twin.swingmusic.ask("GET", "/docs/openapi.json").json()
    schemas = description["components"]["schemas"]
    found = [(method, path, {}) for method, path in UNDESCRIBED]
    for path, described in description["paths"].items():
        for method in METHODS:
            if method in described:
                for content in described[method].get("requestBody", {}).get("content", {}).values():
                    schema = schemas.get(content["schema"].get("$ref", "").rpartition("/")[2], content["schema"])
                    content["needs"] = schema.get("required", [])
                found.append((method, path, described[method]))
    return sorted(found, key=lambda each: (each[0] == "delete" or "delete" in each[1] or "remove" in each[1], each[1], each[0]))


def refuses(answer):
    """Whether a token was found bad: 401, or in swingmusic's words for a stranger's signature and for a token of another kind."""
    return answer.status == 401 or answer.status == 422 and answer.json().get("msg") in (
        "Signature verification failed", "Only refresh tokens are allowed")


def matrix(ours, alone):
    """{(METHOD, path): {caller: status of ours, or 401 where it refuses}}, with `user alone` and `admin alone` for what swingmusic itself
    says. Strangers come first: what they could do after all would show in the rest."""
    table = {}
    ended = ours.token_of("ended", "")
    for operation in operations(alone):
        method, path, _ = operation
        row = table[method.upper(), path] = {}
        for caller in STRANGERS:
            token_of_caller = ended if caller == "ended" else ours.token_of(caller, path)
            answers = [ours.asked(operation, caller, token_of_caller, by_cookie) for by_cookie in (False, True)]
            statuses = {401 if refuses(answer) else answer.status for answer in answers}
            assert len(statuses) == 1, f"{method} {path}, {caller}: a cookie is as good as a header, {answers}"
            row[caller] = statuses.pop()
        for caller in USERS:
            row[f"{caller} alone"] = alone.asked(operation, caller, alone.token_of(caller, path), by_cookie=False).status
            row[caller] = ours.asked(operation, caller, ours.token_of(caller, path), by_cookie=False).status
    return table
