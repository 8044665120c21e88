"""All files of a deployment, read from one folder."""

import re
import shlex
from functools import cached_property
from pathlib import Path

from . import compose, dockerfile, nginxfile
from .program import Program
from .unit import Unit


#: What stands in the place of each value that .env must set.
NEEDED = "VARIABLE"


class Repository:
    """`variables`: what .env sets besides what it must."""

    def __init__(self, root, **variables):
        self.root, self.variables = Path(root), variables

    def given(self, **variables):
        """The same with other values in .env."""
        return Repository(self.root, **variables)

    def text(self, name):
        return (self.root / name).read_text()

    @cached_property
    def compose(self):
        text = self.text("docker-compose.yml")
        needed = {name: NEEDED for name, how, _ in compose.named(text) if how == ":?"}
        return compose.read(text, {**needed, **self.variables})

    def service(self, name):
        return self.compose["services"][name]

    def environment(self, service):
        return self.service(service).get("environment", {})

    def mounts(self, service):
        """(what, where to) of a service; options are left out."""
        return [compose.mount(text)[:2] for text in self.service(service).get("volumes", [])]

    def mount(self, service, where):
        """What is mounted there, and whether it is `rw` or `ro`; (None, None): nothing."""
        found = (compose.mount(text) for text in self.service(service).get("volumes", []))
        return next(((what, how) for what, seen, how in found if seen == where), (None, None))

    @cached_property
    def preparation(self):
        """Each command of what `prepare` does as a list of words."""
        *shell, script = self.service("prepare")["command"]
        return [shlex.split(line) for line in script.splitlines()] if shell == ["sh", "-ec"] else []

    @cached_property
    def stages(self):
        return dockerfile.stages(self.text("Dockerfile"))

    @property
    def build_stage(self):
        return self.stages[0]

    @property
    def run_stage(self):
        return self.stages[-1]

    @cached_property
    def program(self):
        return Program(self.root)

    @cached_property
    def service_unit(self):
        return Unit(self.text("scripts/systemd/swingmusic-fcgi.service"))

    @cached_property
    def socket_unit(self):
        return Unit(self.text("scripts/systemd/swingmusic-fcgi.socket"))

    def nginx(self, site):
        """nginx.conf with all that it includes; `site` is the folder that stands in for site/."""
        def read(path):
            folder, _, name = path.partition("/")
            return self.text(f"nginx/{site if folder == 'site' else folder}/{name}")
        return nginxfile.included(nginxfile.parse(self.text("nginx/nginx.conf")), read)

    @cached_property
    def nginx_in_compose(self):
        return self.nginx("site-compose")

    @cached_property
    def socket(self):
        """Where the program listens in its container."""
        return self._given("SWINGMUSIC_FCGI_LISTEN") or self.program.text_default("listen")

    @cached_property
    def data_folder(self):
        """Where the program keeps its databases in its container."""
        return self._given("SWINGMUSIC_FCGI_DATA_DIR") or self.program.text_default("dataDirectory")

    def _given(self, variable):
        return self.environment("swingmusic-fcgi").get(variable) or self.run_stage.environment().get(variable)

    @cached_property
    def example(self):
        """The variables of .env.example: name and value, and whether the line is in force."""
        found = re.findall(r"^(#?)([A-Z_]+)=(.*)$", self.text(".env.example"), re.MULTILINE)
        return {name: (value, not mark) for mark, name, value in found}
