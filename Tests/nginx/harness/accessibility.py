"""axe-core (github.com/dequelabs/axe-core), the accessibility checker, run inside a page. It comes from PyPI as axe-core-python."""

import importlib.util
import json
from pathlib import Path


def has_checker():
    return importlib.util.find_spec("axe_core_python") is not None


def violations(page):
    """What the checker finds: a line for each rule that is broken, with where."""
    [folder] = importlib.util.find_spec("axe_core_python").submodule_search_locations
    page.evaluate(Path(folder, "axe.min.js").read_text() + "; 1")
    found = json.loads(page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(found => JSON.stringify(found))"))
    assert len(found["passes"]) > 5, "the checker has looked at nothing"
    return [f"{rule['id']}: {[node['html'][:160] for node in rule['nodes']]}" for rule in found["violations"]]
