"""swingmusic's folder, tokens as swingmusic makes them, and a stand-in for the server that carries out what is handed on."""

import base64
import hashlib
import hmac
import http.server
import json
import sqlite3
import threading
import time
import uuid

SERVER_ID = "bca1ef1852504ba6cd57391785ef6ad0029441a3b7961aeca797eda60b6a061c"

#: The reference's schema, and what its songs stand in.
_SCHEMA = """
CREATE TABLE user (
    id INTEGER NOT NULL, image VARCHAR, password VARCHAR NOT NULL, username VARCHAR NOT NULL, roles JSON NOT NULL, extra JSON,
    PRIMARY KEY (id)
);
CREATE INDEX ix_user_username ON user (username);
CREATE TABLE track (
    id INTEGER NOT NULL, album VARCHAR NOT NULL, albumartists VARCHAR NOT NULL, albumhash VARCHAR NOT NULL, artists VARCHAR NOT NULL,
    bitrate INTEGER NOT NULL, copyright VARCHAR, date INTEGER, disc INTEGER NOT NULL, duration INTEGER NOT NULL, filepath VARCHAR NOT NULL,
    folder VARCHAR NOT NULL, genres VARCHAR, last_mod INTEGER NOT NULL, title VARCHAR NOT NULL, track INTEGER NOT NULL, trackhash VARCHAR NOT NULL,
    lastplayed INTEGER NOT NULL, playcount INTEGER NOT NULL, playduration INTEGER NOT NULL, extra JSON, PRIMARY KEY (id)
);
"""


def password_hash(password, salt=SERVER_ID):
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), 100_000, 32).hex()


def _base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(payload, key=SERVER_ID, header='{"alg":"HS256","typ":"JWT"}', digest=hashlib.sha256):
    """A signed token; `payload` is an object, or text for what no honest server would sign."""
    text = payload if isinstance(payload, str) else json.dumps(payload, separators=(",", ":"))
    signed = f"{_base64url(header.encode())}.{_base64url(text.encode())}"
    return f"{signed}.{_base64url(hmac.new(key.encode(), signed.encode(), digest).digest())}"


def claims(user, kind="access", issued=None, lifetime=2_592_000):
    """What swingmusic puts into a token."""
    issued = int(time.time()) if issued is None else issued
    return {"fresh": False, "iat": issued, "jti": str(uuid.uuid4()), "type": kind, "sub": {"id": user, "username": f"user {user}"},
            "nbf": issued, "exp": issued + lifetime}


class Swingmusic:
    """The folder, and a server on `port` that logs every request and changes the database as swingmusic would."""

    def __init__(self, sandbox, users=(("admin", "adminpw", ["admin"]), ("bob", "bobpw", []), ("carol", "carolpw", []))):
        self.folder = sandbox.directory("swingmusic")
        self.requests = []
        #: Whether it hangs up without an answer, and the status that it fails with instead of doing anything.
        self.hangs_up, self.fails_with = False, None
        self.write_settings()
        with self.database() as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(_SCHEMA)
            for name, password, roles in users:
                self.insert(db, name, password, roles)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.requests.append({"method": self.command, "path": self.path, "body": body,
                                       "headers": [(name.lower(), value) for name, value in self.headers.items()]})
                if outer.hangs_up:
                    self.close_connection = True
                    return
                status, content = (outer.fails_with, b"{}") if outer.fails_with else outer.carry_out(self.command, self.path, body)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_BREW = do_OPTIONS = answer

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        sandbox.owns(self)

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def write_settings(self, server_id=SERVER_ID, legacy="", listed=True):
        settings = {"serverId": server_id, "legacy_serverId": legacy, "usersOnLogin": listed, "rootDirs": []}
        (self.folder / "settings.json").write_text(json.dumps(settings))

    def database(self):
        return sqlite3.connect(self.folder / "swingmusic.db", timeout=10)

    def execute(self, sql, *arguments):
        """As swingmusic: another process's write."""
        connection = self.database()
        with connection:
            connection.execute(sql, arguments)
        connection.close()

    @staticmethod
    def insert(db, name, password, roles):
        db.execute("INSERT INTO user (password, username, roles) VALUES (?, ?, ?)", (password_hash(password), name, json.dumps(roles)))

    def carry_out(self, method, path, body):
        """What matters of swingmusic's own routes: no checks, they were made before. Answers have the contract's shape."""
        if not path.startswith("/auth/profile/"):
            return 200, b"{}"
        form = json.loads(body or b"{}")
        connection = self.database()
        with connection:
            answer = self.change(connection, path, form)
        connection.close()
        return 200, json.dumps(answer).encode()

    def change(self, db, path, form):
        name = form.get("username")
        if path == "/auth/profile/update":
            user = form.get("id") or self.user_of(self.requests[-1])
            for field in ("username", "password", "roles"):
                if value := form.get(field):
                    stored = {"password": password_hash, "roles": json.dumps}.get(field, str)(value)
                    db.execute(f"UPDATE user SET {field} = ? WHERE id = ?", (stored, user))
            return self.user(db, "id", user)
        if path == "/auth/profile/create":
            self.insert(db, name, form["password"], [])
            return self.user(db, "username", name)
        if path == "/auth/profile/guest/create":
            self.insert(db, "guest", "guest", ["guest"])
            return {"msg": "Guest user created"}
        db.execute("DELETE FROM user WHERE username = ?", (name,))
        return {"msg": f"User {name} deleted"}

    @staticmethod
    def user(db, column, value):
        number, name, roles = db.execute(f"SELECT id, username, roles FROM user WHERE {column} = ?", (value,)).fetchone()
        return {"extra": None, "id": number, "image": None, "roles": json.loads(roles), "username": name}

    @staticmethod
    def user_of(request):
        text = dict(request["headers"])["authorization"].removeprefix("Bearer ").split(".")[1]
        return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))["sub"]["id"]
