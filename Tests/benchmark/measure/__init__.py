"""The benchmark's parts. The integration tests' harness (Tests/nginx/harness) starts and stops the processes."""

import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(REPOSITORY / "Tests/nginx"))
