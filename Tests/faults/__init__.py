"""The fault suite: a workload that knows what every answer may be, and faults at random instants beside it."""

import sys
from pathlib import Path

_TESTS = Path(__file__).resolve().parents[1]
for _folder in (_TESTS / "nginx", _TESTS / "swingmusic", _TESTS):
    if str(_folder) not in sys.path:
        sys.path.append(str(_folder))
