"""Users and groups agree, so that each may open what it must."""

import re


def of_the_image(it):
    user, _, group = it.run_stage.user().partition(":")
    steps = {step[0]: step for step in it.run_stage.run_steps()}
    made = {"uid": _option(steps["useradd"], "--uid"), "gid": _option(steps["useradd"], "--gid"),
            "group's": _option(steps["groupadd"], "--gid"),
            "folders' uid": _option(steps["install"], "-o"), "folders' gid": _option(steps["install"], "-g")}
    if made != {"uid": user, "gid": group, "group's": group, "folders' uid": user, "folders' gid": group}:
        yield f"the Dockerfile runs as {user}:{group} and makes {made}"
    if user in ("", "0", "root"):
        yield "the Dockerfile runs as root"
    if steps["useradd"][-1] != steps["groupadd"][-1] or steps["useradd"][-1] != it.service_unit.value("User"):
        yield "the Dockerfile's user, its group and the service unit's user are not of one name"


def of_the_services(it):
    """swingmusic and swingmusic-fcgi are one user; nginx has its group, and the socket is open to the group."""
    ours = it.service("swingmusic-fcgi").get("user")
    if ours != it.run_stage.user():
        yield f"swingmusic-fcgi runs as {ours}, the Dockerfile makes {it.run_stage.user()}"
    for user, files in ((ours, it), ("1234:5678", it.given(PUID="1234", PGID="5678"))):
        yield from _of_one_user(files, user)
    mode = it.environment("swingmusic-fcgi").get("SWINGMUSIC_FCGI_SOCKET_MODE", it.program.text_default("socketMode"))
    if int(mode, 8) & 0o067 != 0o060:
        yield f"the socket's mode {mode} is not read and write for the group, and nothing for others"
    told = re.search(r"as one user, PUID:PGID or else (\d+:\d+)", it.text("docker-compose.yml"))[1]
    readable = re.search(r"user (\d+) \(PUID\) must be able to read", it.text(".env.example").replace("\n# ", " "))[1]
    if told != ours or readable != ours.partition(":")[0]:
        yield f"the first lines speak of {told} and {readable}, the services run as {ours}"


def _of_one_user(it, user):
    given = [command[2] for command in it.preparation if command[0] == "chown"]
    for place, who in [(name, it.service(name).get("user")) for name in ("swingmusic", "swingmusic-fcgi")] + [("prepare", who) for who in given]:
        if who != user:
            yield f"{place} says {who}, the user is {user}"
    own, _, group = it.service("nginx").get("user", "").partition(":")
    if group != user.partition(":")[2] or own in ("", "0", user.partition(":")[0]):
        yield f"nginx runs as {own}:{group}: not a user of its own in the socket's group"


def of_the_socket_unit(it):
    unit = it.socket_unit
    if unit.value("SocketMode") != it.program.text_default("socketMode"):
        yield "the socket unit's mode is not the program's"
    if f"SWINGMUSIC_FCGI_SOCKET_GROUP={unit.value('SocketGroup')}" not in it.text("README.md"):
        yield f"the README and the socket unit name different groups of nginx"


def _option(step, name):
    return step[step.index(name) + 1] if name in step else None


CHECKS = [of_the_image, of_the_services, of_the_socket_unit]
