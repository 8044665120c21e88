"""What there is one of in Sources/, and by what a second one would be known."""

import re
from dataclasses import dataclass, field


@dataclass
class One:
    what: str
    #: The file that it is, below Sources/.
    home: str
    #: What it is known by, in code without comments. Its home has it, no other file may.
    pattern: str
    #: A line that would be a second one.
    second: str
    #: What strings say counts, too.
    in_strings: bool = False
    #: Other files that may have it, and why.
    exceptions: dict = field(default_factory=dict)

    def places(self, files):
        """Where it is found: path and line, for (path, code, code with strings) of every file."""
        for path, code, with_strings in files:
            for number, line in enumerate((with_strings if self.in_strings else code).splitlines(), 1):
                if re.search(self.pattern, line):
                    yield path, number


ONES = [
    One("reader of JSON", "JSON/JSONScanner.swift",
        r"\b(?:JSONDecoder|JSONSerialization|Decodable|Codable)\b|\b(?:struct|class|enum|actor)\s+JSON(?:\w*(?:Scanner|Parser|Reader)|Text)\b",
        "let value = try JSONDecoder().decode(Form.self, from: data)"),
    One("writer of JSON", "JSON/JSONWriter.swift",
        r"\b(?:JSONEncoder|JSONSerialization|Encodable|Codable)\b|\b(?:struct|class|enum|actor)\s+JSON\w*(?:Writer|Tree)\b",
        "struct JSONTreeWriter {"),
    One("set of Duration conversions", "Platform/Time.swift", r"\battoseconds\b|\bcomponents\.seconds\b|=\s*[\w.]*\bcomponents\b(?!\()",
        "let (seconds, rest) = duration.components"),
    One("clock protocol, with the host's clock and the one that is set by hand", "Platform/Time.swift",
        r"\b(?:protocol|struct|class|enum)\s+\w*Clock\b", "protocol CacheClock: Sendable {"),
    One("place that reads the host's clocks", "Platform/Time.swift",
        r"\bcsys_(?:monotonic_ns|wall_ms|boottime_ns)\b|\bclock_gettime\b|\bDate\(\)|\b(?:Continuous|Suspending)Clock\b",
        "let now = csys_monotonic_ns()"),
    One("thread starter", "Platform/WorkerThread.swift",
        r"\bpthread_create\b|\bThread\s*[({]|\bThread\.detach|\bTask\s*\{|\bTask\.detached\b|\bDispatchQueue\b", "let thread = Thread { run() }"),
    One("bounded queue with a thread", "Platform/SerialQueue.swift",
        r"\b(?:class|actor)\s+(?:Serial|Work|Blocking)?Queue\b|\bOperationQueue\b|\bDispatchQueue\b|\bclass\s+WorkThread\b",
        "private final class Queue: Sendable {"),
    One("wait for a value that another thread changes", "Platform/Locked.swift",
        r"\bpthread_cond_\w+|\bcsys_condition_init\b|\bNSCondition\b|\bDispatchSemaphore\b", "private let condition = NSCondition()",
        exceptions={"FastCGI/LeaderFollowers.swift": "one lock with two conditions, on the way of every hit"}),
    One("eventfd", "Platform/EventFD.swift", r"\beventfd(?:_write|_read)?\(", "bell = eventfd(0, CInt(EFD_NONBLOCK))"),
    One("SQLite opener", "Platform/SQLiteFile.swift", r"\bDatabase(?:Queue|Pool)\(|\bConfiguration\(\)|\bsqlite3_open\w*\(",
        "let queue = try DatabaseQueue(path: path, configuration: configuration)",
        exceptions={"Caching/SQLite/EntryReader.swift": "the hit from SQLite reads its row without GRDB"}),
    One("maker of schema steps", "Platform/SchemaSteps.swift", r"PRAGMA (?:user_version|application_id)\b",
        'let found = try Int.fetchOne(db, sql: "PRAGMA user_version")', in_strings=True,
        exceptions={"Sessions/SessionDatabase/SessionDatabaseFile.swift": "its second version is this mark"}),
    One("file identity", "Platform/Files.swift", r"\bst_(?:ino|dev)\b", "inode = UInt64(status.st_ino)"),
    One("lock on a file", "Platform/Files.swift", r"\bcsys_(?:lock_byte|wait_for_lock)\b|\bflock\(", "guard csys_lock_byte(descriptor, 0, 1) == 0"),
    One("mapping of memory that processes share", "Platform/SharedMemory.swift", r"\bcsys_map_shared\b|\bmmap\(",
        "let start = csys_map_shared(descriptor, 64)"),
    One("source of random names", "Platform/TextCoding.swift", r"\bSystemRandomNumberGenerator\b|\bgetrandom\b",
        "var source = SystemRandomNumberGenerator()"),
]
