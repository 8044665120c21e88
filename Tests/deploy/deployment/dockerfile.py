"""A Dockerfile in stages."""

import itertools
import json
import re
import shlex
from dataclasses import dataclass, field


@dataclass
class Stage:
    image: str
    name: str
    #: (keyword, rest) in their order, comments and line ends taken out.
    instructions: list = field(default_factory=list)

    def all(self, keyword):
        return [rest for word, rest in self.instructions if word == keyword]

    def last(self, keyword, otherwise=""):
        return (self.all(keyword) or [otherwise])[-1]

    def run_steps(self):
        """Each command of the RUN lines as a list of words, without what is mounted and set for it; `&&` separates them."""
        steps = [shlex.split(step) for line in self.all("RUN") for step in line.split("&&")]
        return [list(itertools.dropwhile(re.compile(r"--mount=|[A-Z_]+=").match, step)) for step in steps]

    def packages(self):
        """Everything that apt-get install is given."""
        return [word for step in self.run_steps() if step[:2] == ["apt-get", "install"] for word in step[2:] if not word.startswith("-")]

    def environment(self):
        return dict(pair.split("=", 1) for line in self.all("ENV") for pair in shlex.split(line))

    def user(self):
        return self.last("USER", "root")

    def health_command(self):
        found = re.search(r"\bCMD (\[.*\])", self.last("HEALTHCHECK"))
        return json.loads(found[1]) if found else None

    def entrypoint(self):
        return json.loads(self.last("ENTRYPOINT", "[]"))


def stages(text):
    """The stages of a Dockerfile's text, in their order."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    found = []
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        keyword, _, rest = line.strip().partition(" ")
        rest = re.sub(r"\s+", " ", rest).strip()
        if keyword == "FROM":
            image, _, name = rest.partition(" AS ")
            found.append(Stage(image, name))
        elif keyword:
            found[-1].instructions.append((keyword, rest))
    return found
