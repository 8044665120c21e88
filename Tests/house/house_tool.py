"""scripts/house as a module, and a made-up package to break rules in."""

import importlib.machinery
import importlib.util
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def _load():
    loader = importlib.machinery.SourceFileLoader("scripts_house", str(REPOSITORY / "scripts/house"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    sys.modules[loader.name] = module  # dataclasses look their module up
    keeps, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = keeps
    return module


tool = _load()

DRAWING = """# The house

```
Attic                   what is seen from the street
   │
 Hall · Kitchen         where one lives
   │
 Cellar                 what carries
```
"""


class Package:
    """A small house in which everything is right: a room on each floor and files of a hundred lines."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "docs").mkdir()
        (folder / "docs/architecture.md").write_text(DRAWING)
        self.write("Attic/Window.swift", "import Hall\n", "struct Window { var hall: Hall }\n")
        self.write("Hall/Hall.swift", "import Cellar\n", "public struct Hall { var stairs: Stairs; let cellar: Cellar }\n")
        self.write("Hall/Stairs.swift", "", "struct Stairs {}\n")
        self.write("Kitchen/Stove.swift", "", "struct Stove {}\n")
        self.write("Cellar/Cellar.swift", "", "public struct Cellar {}\n")

    def write(self, path, *parts, lines=100):
        """The parts, and comments up to so many lines."""
        text = "".join(parts)
        path = self.folder / "Sources" / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "// what for\n" * max(0, lines - text.count("\n")))

    def faults(self):
        return tool.House(self.folder).faults()
