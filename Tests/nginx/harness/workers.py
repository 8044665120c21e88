"""Workers with a socket each, so that every one of them is asked and not just some."""

import json

from . import fastcgi
from .process import LoggedProcess
from .redis import RedisServer
from .responder import answers, listening_socket
from .sandbox import executable
from .swingmusic import Swingmusic
from .waiting import eventually


class Workers:
    """Four `worker` processes on one data folder, with swingmusic's folder and DragonflyDB's stand-in. `users`: their passwords are their names and `pw`."""

    def __init__(self, sandbox, users, **settings):
        self.sandbox = sandbox
        self.swingmusic = Swingmusic(sandbox, users=[(name, f"{name}pw", ["admin"] if name == "admin" else []) for name in users])
        self.store = RedisServer(sandbox).start()
        self.settings = {**self.store.settings(), "SWINGMUSIC_CONFIG_DIR": str(self.swingmusic.folder),
                         "SWINGMUSIC_FCGI_DATA_DIR": str(sandbox.directory("data")), **settings}
        self.addresses = [sandbox.socket_path("worker") for _ in range(4)]
        self._sockets = [listening_socket(path) for path in self.addresses]
        self.start()

    def start(self):
        environment = self.sandbox.environment(**self.settings)
        self.processes = [
            self.sandbox.owns(LoggedProcess([executable(), "worker"], self.sandbox.path(f"worker-{number}.log"), environment, stdin=listener))
            for number, listener in enumerate(self._sockets)]
        for path in self.addresses:
            eventually(lambda: answers(str(path)), 20, what="the worker answers")

    def kill(self):
        for process in self.processes:
            process.kill()

    def logs(self):
        return [process.text() for process in self.processes]

    def ask(self, worker, method, path, bearer=None, cookie=None, body=b"", query=""):
        parameters = {"HTTP_HOST": "music.example", **({"CONTENT_TYPE": "application/json"} if body else {})}
        if bearer:
            parameters["HTTP_AUTHORIZATION"] = f"Bearer {bearer}"
        if cookie:
            parameters["HTTP_COOKIE"] = f"access_token_cookie={cookie}"
        return fastcgi.ask(self.addresses[worker], path, method=method, query=query, body=body, parameters=parameters, timeout=20)

    def tokens(self, worker, method, path, **more):
        answer = self.ask(worker, method, path, **more)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def log_in(self, name):
        return self.tokens(0, "POST", "/auth/login", body=json.dumps({"username": name, "password": f"{name}pw"}).encode())

    def access_is_good(self, worker, access):
        statuses = {self.ask(worker, "GET", "/auth/verify", bearer=access).status, self.ask(worker, "GET", "/auth/verify", cookie=access).status}
        assert len(statuses) == 1 and statuses <= {204, 401}, statuses
        return statuses == {204}

    def refresh_is_good(self, worker, refresh):
        status = self.ask(worker, "POST", "/auth/refresh", bearer=refresh).status
        assert status in (200, 401), status
        return status == 200
