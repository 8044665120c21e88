"""All files of a deployment, read from one folder."""

import re
from functools import cached_property
from pathlib import Path

import yaml

from . import dockerfile, nginxfile
from .program import Program
from .unit import Unit


class Repository:
    def __init__(self, root):
        self.root = Path(root)

    def text(self, name):
        return (self.root / name).read_text()

    @cached_property
    def compose(self):
        return yaml.safe_load(self.text("docker-compose.yml"))

    def service(self, name):
        return self.compose["services"][name]

    def environment(self, service):
        return self.service(service).get("environment", {})

    def mounts(self, service):
        """(what, where to) of a service; options are left out."""
        found = []
        for text in self.service(service).get("volumes", []):
            parts = re.sub(r"\$\{[^}]*\}", "VARIABLE", text).split(":")
            found.append((parts[0], parts[1]))
        return found

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
