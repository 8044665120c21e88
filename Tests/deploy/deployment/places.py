"""Paths, sockets and volumes agree."""

import posixpath
import re

from . import nginxfile
from .repository import NEEDED


def of_the_socket(it):
    for variant in ("site", "site-compose"):
        for words in nginxfile.every([each for each in _http(it.nginx(variant)) if each.name == "upstream" and each.words == ["swingmusic_fcgi"]], "server"):
            if words[0] != f"unix:{it.socket}":
                yield f"nginx asks {words[0]}, the program listens on {it.socket}"
    if it.socket_unit.value("ListenStream") != it.program.text_default("listen"):
        yield "the socket unit listens elsewhere than nginx asks"
    folder = posixpath.dirname(it.socket)
    yield from _shared(it, folder, ("prepare", "nginx", "swingmusic-fcgi"))
    if not any(step[0] == "install" and folder in step for step in it.run_stage.run_steps()):
        yield f"the Dockerfile does not make {folder}"


def of_the_data_folder(it):
    folder = it.data_folder
    if folder not in [where for _, where in it.mounts("swingmusic-fcgi")]:
        yield f"docker-compose.yml keeps no volume at {folder}"
    if it.run_stage.last("VOLUME") != folder:
        yield f"the Dockerfile's VOLUME is not {folder}"
    if not any(step[0] == "install" and folder in step for step in it.run_stage.run_steps()):
        yield f"the Dockerfile does not make {folder}"
    unit = it.service_unit
    named, kept = unit.environment().get("SWINGMUSIC_FCGI_DATA_DIR"), f"/var/lib/{unit.value('StateDirectory')}"
    if not named == kept == it.program.text_default("dataDirectory"):
        yield "the service unit's StateDirectory, its SWINGMUSIC_FCGI_DATA_DIR and the program's default are not one folder"


def of_swingmusics_folder(it):
    """swingmusic's image is started with --config /config and makes /config/swingmusic."""
    named = it.environment("swingmusic-fcgi").get("SWINGMUSIC_CONFIG_DIR")
    if named != "/config/swingmusic":
        yield f"swingmusic keeps its files in /config/swingmusic, not {named}"
    yield from _shared(it, "/config", ("prepare", "swingmusic", "swingmusic-fcgi"))
    elsewhere = it.given(CONFIG_FOLDER="/srv/config")
    if {elsewhere.mount(service, "/config")[0] for service in ("prepare", "swingmusic", "swingmusic-fcgi")} != {"/srv/config"}:
        yield "CONFIG_FOLDER is not what all three services are given"


def of_the_music(it):
    """The music is swingmusic's home, as in its image: what the first run offers, and the folder below which backups are kept."""
    home = it.environment("swingmusic").get("HOME")
    music, how = it.mount("swingmusic", home)
    if music != NEEDED or how != "ro" or it.given(MUSIC_FOLDER="/srv/music").mount("swingmusic", home)[0] != "/srv/music":
        yield f"swingmusic's home {home} is not your music to read only"
    kept, how = it.mount("swingmusic", _backups(it))
    if kept is None or how != "rw" or kept == it.mount("swingmusic", "/config")[0]:
        yield "backups have no writable mount of their own"
    elsewhere = it.given(BACKUP_FOLDER="/srv/backup")
    if elsewhere.mount("swingmusic", _backups(it))[0] != "/srv/backup" or ("/srv/backup", _prepared_backups(it)) not in elsewhere.mounts("prepare"):
        yield "BACKUP_FOLDER is not what swingmusic and prepare are given"


def of_the_preparation(it):
    """It makes swingmusic's folder and the place for the backups in the music, and gives the services' user what they write to and no more."""
    made = [word for command in it.preparation if command[:2] == ["mkdir", "-p"] for word in command[2:]]
    given = [word for command in it.preparation if command[:2] == ["chown", "-R"] for word in command[3:]]
    settings = it.environment("swingmusic-fcgi")["SWINGMUSIC_CONFIG_DIR"]
    if made != [settings, _backups(it)]:
        yield f"prepare makes {made}"
    if sorted(given) != sorted([settings, _prepared_backups(it), it.data_folder, posixpath.dirname(it.socket)]):
        yield f"prepare gives away {given}"
    if [command[0] for command in it.preparation] != ["mkdir", "chown"]:
        yield "prepare does something else as well"
    home = it.environment("swingmusic").get("HOME")
    needed = {where for where in ("/config", home, _prepared_backups(it), it.data_folder, posixpath.dirname(it.socket))}
    if {where for _, where in it.mounts("prepare")} != needed or it.mount("prepare", home) != (NEEDED, "rw"):
        yield f"prepare is given other folders than {needed}"
    for where in (it.data_folder, posixpath.dirname(it.socket)):
        if it.mount("prepare", where) != it.mount("swingmusic-fcgi", where):
            yield f"prepare prepares another {where}"


def _backups(it):
    """swingmusic keeps them in this folder of its home."""
    return posixpath.join(it.environment("swingmusic")["HOME"], "swingmusic.backup")


def _prepared_backups(it):
    """Where prepare sees them."""
    kept = it.mount("swingmusic", _backups(it))[0]
    return next((where for what, where in it.mounts("prepare") if what == kept), None)


def of_the_executable(it):
    copies = [rest.split() for rest in it.run_stage.all("COPY")]
    made = [step for step in it.build_stage.run_steps() if step[0] == "install"]
    if len(copies) != 1 or len(made) != 1:
        yield "the Dockerfile makes or copies not exactly one file"
        return
    origin, source, target = copies[0]
    if origin != f"--from={it.build_stage.name}" or made[0][-1] != source:
        yield f"the run stage copies {source} {origin}, the build stage makes {made[0][-1]}"
    product = re.search(r'\.executable\(name: "([^"]+)"', it.text("Package.swift"))[1]
    build = next(step for step in it.build_stage.run_steps() if step[:2] == ["swift", "build"])
    if build[build.index("--product") + 1] != product or made[0][-2] != f".build/release/{product}" or "release" not in build:
        yield f"the build stage does not build and take the product {product}"
    if "--static-swift-stdlib" not in build:
        yield "the run stage has no Swift: the build must bring it along"
    for place, path in (("ENTRYPOINT", it.run_stage.entrypoint()[0]), ("HEALTHCHECK", (it.run_stage.health_command() or [""])[0]),
                        ("ExecStart", it.service_unit.value("ExecStart").split()[0])):
        if path != target:
            yield f"{place} names {path}, the executable is {target}"
    if (it.run_stage.health_command() or [])[1:] != ["check", "--health"]:
        yield "the health check is not check --health"


def of_nginx(it):
    service = it.service("nginx")
    words = service["entrypoint"]
    mounts = dict((where, what) for what, where in it.mounts("nginx"))
    configuration = words[words.index("-c") + 1]
    folder = posixpath.dirname(configuration)
    if mounts.get(folder) != "./nginx" or mounts.get(f"{folder}/site") != "./nginx/site-compose":
        yield f"{configuration} is not the nginx/ of this folder with site-compose/ as its site/"
    if not (it.root / "nginx" / posixpath.basename(configuration)).is_file():
        yield f"there is no {configuration}"
    if words[words.index("-p") + 1] not in service.get("tmpfs", []):
        yield "nginx's -p folder is not one that it can write to"
    for what, _ in it.mounts("nginx"):
        if what.startswith("./") and not (it.root / what).is_dir():
            yield f"docker-compose.yml: there is no {what}"
    usual, ours = ({path.name for path in (it.root / "nginx" / name).iterdir()} for name in ("site", "site-compose"))
    missing = usual ^ ours
    if missing:
        yield f"only one of site/ and site-compose/ has {missing}"


def of_the_secrets(it):
    known = it.compose["secrets"]
    given = it.service("swingmusic-fcgi").get("secrets", [])
    files = {name: value for name, value in it.environment("swingmusic-fcgi").items() if name.endswith("_FILE")}
    if sorted(files.values()) != sorted(f"/run/secrets/{name}" for name in given):
        yield f"the secrets {given} are not what the variables name: {files}"
    for name, value in files.items():
        if not name.removesuffix("_FILE").lower().endswith(posixpath.basename(value)):
            yield f"{name} is read from {value}"
    if set(given) != set(known):
        yield f"secrets {set(given) ^ set(known)} are given or known, not both"
    shown = set(re.findall(r"^#.*\bsecrets/(\w+)", it.text("docker-compose.yml"), re.MULTILINE))
    for name, secret in known.items():
        if secret["file"] != f"./secrets/{name}" or name not in shown:
            yield f"the secret {name} is not the file that the first lines tell to make"
    for name in ("secrets/", ".env"):
        if name not in it.text(".gitignore").splitlines():
            yield f".gitignore does not keep {name} out"


def of_volumes_and_networks(it):
    used = {what for service in it.compose["services"] for what, _ in it.mounts(service) if re.fullmatch(r"[a-z]+", what)}
    if used != set(it.compose["volumes"]):
        yield f"volumes {used ^ set(it.compose['volumes'])} are used or made, not both"
    named = {name for service in it.compose["services"].values() for name in service.get("networks", [])} - {"default"}
    if named != set(it.compose["networks"]):
        yield f"networks {named ^ set(it.compose['networks'])} are used or made, not both"


def of_the_units(it):
    named = {it.service_unit.value("Sockets"), it.service_unit.value("Requires"), it.service_unit.value("After").split()[0]}
    if named != {"swingmusic-fcgi.socket"}:
        yield "the service unit does not name its socket unit"


def _shared(it, where, services):
    """One volume is mounted there by all of the services."""
    volumes = {service: what for service in services for what, seen in it.mounts(service) if seen == where}
    if len(volumes) != len(services) or len(set(volumes.values())) != 1:
        yield f"{where} is not one volume of {services}: {volumes}"


def _http(directives):
    return next(each.inner for each in directives if each.name == "http")


CHECKS = [of_the_socket, of_the_data_folder, of_swingmusics_folder, of_the_music, of_the_preparation, of_the_executable, of_nginx, of_the_secrets,
          of_volumes_and_networks, of_the_units]
