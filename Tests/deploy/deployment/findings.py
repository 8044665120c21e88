"""All checks together."""

import yaml

from . import packages, places, ports, running, users, variables
from .repository import Repository

CHECKS = [check for room in (variables, places, ports, users, running, packages) for check in room.CHECKS]


def findings(root, executable=None):
    """What does not agree in the deployment files below a folder, a line each. What cannot be read at all is a finding too: a file
    that was changed in one place only may not even parse."""
    it = Repository(root)
    found = []
    for check in CHECKS:
        found += _lines(check, it)
    if executable:
        found += _lines(packages.of_the_executable, it, executable)
    return found


def _lines(check, *arguments):
    try:
        return list(check(*arguments))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError, OSError, yaml.YAMLError) as error:
        return [f"{check.__module__}.{check.__name__} cannot be answered: {error!r}"]
