"""A page of the documentation with tables in it that a measurement writes, between two marks."""

import sys


class Page:
    def __init__(self, document, begin, end):
        self.document, self.begin, self.end = document, begin, end

    def _parts(self):
        before, _, rest = self.document.read_text().partition(self.begin)
        written, _, after = rest.partition(self.end)
        return before, written, after

    @property
    def written(self):
        """What stands between the marks."""
        return self._parts()[1]

    def main(self, measure, script):
        """The script's own command: writes what is measured, or with --check says whether that stands there. Ends the process."""
        measured = measure()
        if "--check" in sys.argv[1:]:
            sys.stdout.write(measured)
            sys.exit(0 if measured == self.written else f"{self.document} says something else; run {script}")
        before, _, after = self._parts()
        self.document.write_text(before + self.begin + measured + self.end + after)
