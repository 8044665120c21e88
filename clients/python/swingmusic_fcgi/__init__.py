"""swingmusic-fcgi's caches from Python. `dragonfly_client` has the names of swingmusic's extended version; README.md says how it is switched on.

Importing this package loads nothing else and connects to nothing.
"""

__version__ = "0.1.0"
