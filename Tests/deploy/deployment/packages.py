"""The packages of the two stages, of scripts/install-dependencies, and what the executable is linked with."""

import functools
import re
import subprocess

#: In every Debian: of priority required, or what those depend on.
BASE = {"libc6", "libgcc-s1"}
#: Their headers are read, and nothing of them is linked.
HEADERS = {"libfcgi-dev"}
#: Not a library: the certificates that Spotify's is checked with.
CERTIFICATES = "ca-certificates"


def of_the_stages(it):
    build, run = it.build_stage.image, it.run_stage.image
    version, _, system = build.partition(":")[2].partition("-")
    if run != f"debian:{system}-slim" or it.service("prepare")["image"] != run:
        yield f"built on {build}, run on {run}, prepared with {it.service('prepare')['image']}"
    tools = re.match(r"// swift-tools-version: ?([\d.]+)", it.text("Package.swift"))[1]
    if tuple(map(int, version.split("."))) < tuple(map(int, tools.split("."))):
        yield f"{build} is too old for the package's {tools}"
    allowed = {line[1:] for line in it.text(".dockerignore").splitlines() if line.startswith("!")}
    copied = {words.split()[0] for words in it.build_stage.all("COPY")}
    if copied != allowed:
        yield f"{copied ^ allowed} is copied or let through by .dockerignore, not both"
    for stage in it.stages:
        if ["rm", "-rf", "/var/lib/apt/lists/*"] not in stage.run_steps() or ["apt-get", "update"] not in stage.run_steps():
            yield f"the stage on {stage.image} keeps lists of packages or has none"


def of_building(it):
    script = re.search(r'^packages="([^"]*)"', it.text("scripts/install-dependencies"), re.MULTILINE)[1].split()
    for_building = {name for name in script if name.endswith("-dev") or name == "pkg-config"}
    if for_building != set(it.build_stage.packages()):
        yield f"scripts/install-dependencies and the build stage differ by {for_building ^ set(it.build_stage.packages())}"
    if CERTIFICATES not in script:
        yield f"scripts/install-dependencies lacks {CERTIFICATES}"


def of_running(it):
    """What is built with a -dev package runs with the library that it belongs to; more is not wanted."""
    needed = {CERTIFICATES, "libstdc++6"}
    for name in it.build_stage.packages():
        if name.endswith("-dev") and name not in HEADERS:
            needed |= library_of(name)
    if needed != set(it.run_stage.packages()):
        yield f"the run stage's packages and what the program runs with differ by {needed ^ set(it.run_stage.packages())}"


def of_the_executable(it, executable):
    """Each library that the executable names is of a package of the run stage. Swift's own are not looked for: the Dockerfile links
    them in, which a debug build does not."""
    for library, package in owners(linked(executable)).items():
        if package not in BASE | set(it.run_stage.packages()):
            yield f"{library} is of {package or 'no package'}, which the run stage does not have"


def of_the_images(it):
    """Each has a tag that names a version or a line of versions; those of others that matter here can be named in .env."""
    for name, service in it.compose["services"].items():
        tag = service["image"].rpartition("/")[2].partition(":")[2]
        if "build" not in service and tag in ("", "latest"):
            yield f"{name} runs whatever {service['image']} is today"
    for name, variable in (("swingmusic", "SWINGMUSIC_IMAGE"), ("dragonfly", "DRAGONFLY_IMAGE")):
        if it.given(**{variable: "registry/image:1"}).service(name)["image"] != "registry/image:1":
            yield f"{variable} does not say what {name} is"
        if not re.search(r":v\d+\.\d+\.\d+\Z", it.service(name)["image"]):
            yield f"{name} is of no version: {it.service(name)['image']}"


CHECKS = [of_the_images, of_the_stages, of_building, of_running]


@functools.lru_cache(None)
def library_of(development):
    """The packages of the libraries that a -dev package links with: those that it wants in its own version."""
    asked = subprocess.run(["dpkg-query", "-W", "-f", "${Depends}", development], capture_output=True, text=True)
    return {name for name, version in re.findall(r"(lib[^ ,]*)(?: \(= ([^)]*)\))?", asked.stdout) if version}


@functools.lru_cache(None)
def linked(executable):
    """Paths of the libraries that an executable itself names (DT_NEEDED), as the loader finds them; without Swift's."""
    names = re.findall(r"\(NEEDED\).*\[(.*)\]", _output("readelf", "-d", executable))
    found = dict(re.findall(r"(\S+) => (/\S+)", _output("ldd", executable)))
    return tuple(found.get(name, name) for name in names if not name.startswith("ld-linux") and not is_swifts(found.get(name, name)))


def is_swifts(path):
    return "/swift/linux/" in path


@functools.lru_cache(None)
def owners(paths):
    """The package of each file; None where there is none. Debian's list knows a path with /usr or without, never both."""
    spelled = {spelling: path for path in paths for spelling in (path, f"/usr{path}", path.removeprefix("/usr"))}
    asked = subprocess.run(["dpkg-query", "-S", *spelled], capture_output=True, text=True)
    said = re.findall(r"^([^:]+)(?::\w+)?: (\S+)$", asked.stdout, re.MULTILINE)
    found = {spelled[path]: package for package, path in said if path in spelled}
    return {path: found.get(path) for path in paths}


def _output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
