"""How `import swingmusic.db.dragonfly_client` comes to this package: one line in a .pth file, which Python runs when it starts (site, 3.11).

The line defines a finder and imports nothing. Only when that one module is asked for is this file loaded, and then the caches.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import site
import sysconfig
import types
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import List, Optional

NAME = "swingmusic.db.dragonfly_client"
FILE = "swingmusic_fcgi.pth"

#: {0}: how it is put among the finders. Behind all others, so that a module that exists is found first; or before them.
LINE = (
    "import sys; sys.meta_path.{0}type('SwingmusicFCGIFinder', (), {{'find_spec': staticmethod("
    "lambda name, path=None, target=None: __import__('swingmusic_fcgi.importing', fromlist=['spec']).spec() "
    f"if name == '{NAME}' else None)}}}}))\n"
)
_BEHIND, _BEFORE = "append(", "insert(0, "


def spec() -> Optional[ModuleSpec]:
    """Of our module under that name."""
    own = importlib.util.find_spec("swingmusic_fcgi.dragonfly_client")
    return importlib.util.spec_from_loader(NAME, _Loader()) if own else None


class _Loader(importlib.abc.Loader):
    """Gives the module that is there under its own name too: one client and one set of connections, whoever imports it how."""

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        from . import dragonfly_client
        self._own = dragonfly_client.__spec__
        return dragonfly_client

    def exec_module(self, module: types.ModuleType) -> None:
        # It is loaded already, and stays what it was.
        module.__spec__ = self._own


def folders() -> List[Path]:
    """Where this environment's Python reads .pth files, its own first."""
    candidates = [sysconfig.get_path("purelib"), *site.getsitepackages(), site.getusersitepackages() if site.ENABLE_USER_SITE else ""]
    known = {Path(each) for each in [*site.getsitepackages(), candidates[-1]] if each}
    found: List[Path] = []
    for each in candidates:
        path = Path(each) if each else None
        if path in known and path not in found and path is not None:
            found.append(path)
    return found


def enabled() -> List[Path]:
    """The files that switch it on; more than one only where somebody has copied one."""
    return [folder / FILE for folder in folders() if (folder / FILE).exists()]


def enable(replace: bool = False) -> Path:
    """Writes the file, whole or not at all. Raises OSError where none of the folders can be written to."""
    for path in enabled():
        path.unlink()
    trouble: Optional[OSError] = None
    for folder in folders():
        path = folder / FILE
        fresh = folder / f"{FILE}.new-{os.getpid()}"
        try:
            fresh.write_text(LINE.format(_BEFORE if replace else _BEHIND), encoding="utf-8")
            os.replace(fresh, path)
            return path
        except OSError as error:
            trouble = error
    raise trouble or OSError("this Python has no site-packages")


def disable() -> List[Path]:
    removed = enabled()
    for path in removed:
        path.unlink()
    return removed
