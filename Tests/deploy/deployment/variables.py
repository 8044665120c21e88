"""Every variable is one that its reader knows."""

import re

from . import compose

#: What the other images read.
FOREIGN = {"swingmusic": {"HOME", "SWINGMUSIC_DEVICE_NAME"}, "dragonfly": {"HEALTHCHECK_PORT"}}

#: What Swift's runtime reads in ours.
RUNTIME = {"SWIFT_BACKTRACE"}

NAME = re.compile(r"\b(?:SWINGMUSIC_FCGI|SWINGMUSIC_CONFIG|SPOTIFY|DRAGONFLYDB)_[A-Z_]*[A-Z]\b")
FILES = ["docker-compose.yml", "Dockerfile", ".env.example", "scripts/systemd/swingmusic-fcgi.service",
         "scripts/systemd/swingmusic-fcgi.socket", "nginx/nginx.conf"]


def of_the_build(it):
    """What the build is told of itself is what Package.swift asks for, and the way of the image's commit is one name."""
    asked = set(re.findall(r'Context\.environment\["(\w+)"\]', it.text("Package.swift")))
    given = dict(re.findall(r"\b(SWINGMUSIC_FCGI_[A-Z]+)=\$\{(\w+)\}", it.text("Dockerfile")))
    if set(given) != asked:
        yield f"Package.swift asks for {asked}, and the Dockerfile gives {set(given)}"
    if set(given.values()) - set(it.build_stage.all("ARG")):
        yield f"the Dockerfile takes no {set(given.values())}"


def of_the_program(it):
    for name in FILES + [str(path.relative_to(it.root)) for path in sorted(it.root.glob("nginx/*/*.conf"))]:
        for variable in NAME.findall(it.text(name)):
            if not it.program.knows(variable) and not (name == "Dockerfile" and variable == "SWINGMUSIC_FCGI_COMMIT"):
                yield f"{name}: the program knows no {variable}"
    for place, names in (("docker-compose.yml", it.environment("swingmusic-fcgi")), ("Dockerfile", it.run_stage.environment()),
                         ("the service unit", it.service_unit.environment())):
        for variable in names:
            if not it.program.knows(variable) and variable not in RUNTIME:
                yield f"{place}: nobody knows {variable}"
            if f"{variable}_FILE" in names:
                yield f"{place}: {variable} and {variable}_FILE are both set"


def of_other_images(it):
    for service in it.compose["services"]:
        if service != "swingmusic-fcgi":
            for variable in set(it.environment(service)) - FOREIGN.get(service, set()):
                yield f"docker-compose.yml: {service} does not know {variable}"
    for service, names in FOREIGN.items():
        for variable in names - set(it.environment(service)):
            yield f"docker-compose.yml: {service} is not given {variable}"


def of_the_env_file(it):
    """What Compose takes from .env is what .env.example shows; what it insists on is in force there."""
    text = it.text("docker-compose.yml")
    taken = {name: how == ":?" for name, how, _ in compose.named(text)}
    passed_on = {name for name, value in it.environment("swingmusic-fcgi").items() if value is None}
    taken.update(dict.fromkeys(passed_on, False))
    # The other file is not in force in the example, whatever it insists on; which files are is Compose's own to read.
    others = {name for name, _, _ in compose.named(it.text("docker-compose.hosts.yml"))} | {"COMPOSE_FILE", "COMPOSE_PROFILES"}
    taken = dict.fromkeys(others - set(taken), False) | taken
    for name in set(taken) ^ set(it.example):
        yield f"{name} stands in only one of Compose's files and .env.example"
    for name in set(taken) & set(it.example):
        if taken[name] != it.example[name][1]:
            yield f".env.example: {name} is {'needed but commented out' if taken[name] else 'in force though it need not be set'}"
    for name, other in re.findall(r"^ +([A-Z_]+): \$\{([A-Z_]+)", text, re.MULTILINE):
        if other != name:
            yield f"docker-compose.yml: {name} is set from {other}"
    for name, how, usual in compose.named(text):
        if how == ":-" and it.example.get(name, (usual,))[0] != usual:
            yield f"{name} has another default in .env.example than in docker-compose.yml"


def of_the_backtracer(it):
    values = {it.run_stage.environment().get("SWIFT_BACKTRACE"), it.service_unit.environment().get("SWIFT_BACKTRACE")}
    if values != {"enable=no"}:
        yield f"the backtracer is not off in both the Dockerfile and the service unit: {values}"


CHECKS = [of_the_build, of_the_program, of_other_images, of_the_env_file, of_the_backtracer]
