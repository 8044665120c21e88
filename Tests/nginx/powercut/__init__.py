"""What a power cut leaves of a folder: from the record of a run, the folder as it was durable at any instant, and what else may be there."""

import bisect
import itertools
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

HEADER = struct.Struct("=c7xQQQqII")
SECTOR = 512


@dataclass
class Deed:
    kind: str
    at: float
    file: tuple
    path: str
    offset: int
    data: bytes


def shim(folder):
    """Compiles the shim; its path."""
    library = folder / "powercut.so"
    subprocess.run(["cc", "-O1", "-Wall", "-shared", "-fPIC", "-o", str(library), str(Path(__file__).parent / "shim.c"), "-ldl"], check=True)
    return library


def base_of(folder):
    """The files of a folder on which all is quiet, for `rebuild`: {(device, inode): (path, content)}."""
    found = {}
    for path in Path(folder).iterdir():
        if path.is_file() and not path.name.endswith(("-shm", ".shared")):
            status = path.stat()
            found[status.st_dev, status.st_ino] = (str(path), path.read_bytes())
    return found


class Record:
    """All deeds of a run, in order. Times are those of time.monotonic()."""

    def __init__(self, log):
        content, place, self.deeds = Path(log).read_bytes(), 0, []
        while place + HEADER.size <= len(content):
            kind, nanoseconds, device, inode, offset, path, data = HEADER.unpack_from(content, place)
            place += HEADER.size
            name, bytes_ = content[place:place + path].decode(), content[place + path:place + path + data]
            place += path + data
            self.deeds.append(Deed(kind.decode(), nanoseconds / 1e9, (device, inode), name, offset, bytes_))
        # Threads take the time and append one after the other, not both at once: the order is that of the log.
        self._times = list(itertools.accumulate((deed.at for deed in self.deeds), max))
        assert {deed.kind for deed in self.deeds} >= {"c", "w", "b", "e"}, "the program was not seen at work"

    def until(self, instant):
        return self.deeds[:bisect.bisect_right(self._times, instant)]

    def rebuild(self, instant, target, mode, random, base=None):
        """Puts the folder as it may be after a cut at `instant` below `target`. `mode` is what became of writes that were not synced: all
        dropped, all kept, or torn: some there, some not, some in part. Names follow the file system's journal: what any sync has waited
        for is there, of the rest a beginning. `base`: what lay there before (base_of), durably."""
        deeds = self.until(instant)
        begun, synced, named = {}, {}, 0
        for number, deed in enumerate(deeds):
            if deed.kind == "b":
                begun[deed.file, deed.offset] = number
            elif deed.kind == "e":
                first = begun[deed.file, deed.offset]
                synced[deed.file] = max(synced.get(deed.file, 0), first)
                named = max(named, first)
        later = [number for number, deed in enumerate(deeds) if number >= named and deed.kind in "curt"]
        kept = {"drop": 0, "keep": len(later), "torn": random.randint(0, len(later))}[mode]
        missing = set(later[kept:])
        names = {path: file for file, (path, _) in (base or {}).items()}
        contents = {file: bytearray(content) for file, (_, content) in (base or {}).items()}
        for number, deed in enumerate(deeds):
            if number in missing:
                continue
            match deed.kind:
                case "c":
                    names[deed.path] = deed.file
                    contents.setdefault(deed.file, bytearray())
                case "u": names.pop(deed.path, None)
                case "r": names[deed.data.decode()] = names.pop(deed.path, deed.file)
                case "t": self._cut(contents.setdefault(deed.file, bytearray()), deed.offset)
                case "w":
                    is_there = number < synced.get(deed.file, 0)
                    self._write(contents.setdefault(deed.file, bytearray()), deed, "keep" if is_there else mode, random)
        folder = Path(target)
        folder.mkdir()
        for path, file in names.items():
            (folder / Path(path).name).write_bytes(contents[file])
            (folder / Path(path).name).chmod(0o640)

    @staticmethod
    def _cut(content, length):
        del content[length:]
        content.extend(bytes(length - len(content)))

    @staticmethod
    def _write(content, deed, mode, random):
        if mode == "drop" or (mode == "torn" and random.random() < 0.3):
            return
        data, offset = deed.data, deed.offset
        if mode == "torn" and random.random() < 0.5:
            # Sectors are written whole.
            first = random.randint(0, max(0, len(data) // SECTOR)) * SECTOR
            last = random.randint(first, len(data))
            last -= (offset + last) % SECTOR if last < len(data) else 0
            data, offset = data[first:max(first, last)], offset + first
        if len(content) < offset:
            content.extend(bytes(offset - len(content)))
        content[offset:offset + len(data)] = data
