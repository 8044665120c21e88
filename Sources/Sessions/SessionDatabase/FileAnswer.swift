import GRDB
import GRDBSQLite
import Platform

/// What `sessions.db` said, and how it stood then: for as long as it stands so, it would say the same.
struct FileAnswer<Value: Sendable>: Sendable {
    let value: Value
    /// nil where a further write might leave the same one. A commit with a rollback journal always writes the file itself
    /// (sqlite.org/atomiccommit.html, section 3.9), so an unchanged stamp means an unchanged answer.
    let stamp: FileStamp?
    /// nil where the file counts no commits.
    let version: FileVersion?

    /// The same, found to be so after `stamp` was taken.
    func confirmed(at stamp: FileStamp, now: WallTime) -> FileAnswer {
        FileAnswer(value: value, stamp: stamp.isSettled(now: now) ? stamp : nil, version: version)
    }
}

extension FileAnswer {
    /// A part of it.
    func with<Part>(_ part: Part) -> FileAnswer<Part> { FileAnswer<Part>(value: part, stamp: stamp, version: version) }

    /// nil where the answer is that there is none.
    func known<Wrapped>() -> FileAnswer<Wrapped>? where Value == Wrapped? { value.map { with($0) } }
}

/// How many commits a file with a rollback journal has seen: the change counter of its header (sqlite.org/fileformat2.html, section 1.3.7).
///
/// It is read beside all locks. A commit writes the header before it is one, so a counter that is still the same says that nothing was
/// committed since, whoever holds the file; another one may be of a commit that is not made yet, or never will be.
struct FileVersion: Sendable, Equatable {
    private let file: FileIdentity
    private let counter: UInt32

    /// nil where it cannot be read, or the file is in another journal, which does not count.
    /// - Parameters:
    ///   - db: any connection to the file.
    ///   - file: the file that it has open.
    init?(_ db: Database, of file: FileIdentity) {
        // Through SQLite: a descriptor of our own would take this process's locks with it when it is closed (sqlite.org/howtocorrupt.html, 2.2).
        var handle: UnsafeMutablePointer<sqlite3_file>?
        guard sqlite3_file_control(db.sqliteConnection, "main", SQLITE_FCNTL_FILE_POINTER, &handle) == SQLITE_OK, let handle,
            let read = handle.pointee.pMethods?.pointee.xRead
        else { return nil }
        // From the two format versions, which are 1 with a rollback journal, to the counter, the most significant byte first.
        var header = [UInt8](repeating: 0, count: 10)
        guard read(handle, &header, CInt(header.count), 18) == SQLITE_OK, header[0] == 1, header[1] == 1 else { return nil }
        self.file = file
        counter = header[6...].reduce(0) { $0 << 8 | UInt32($1) }
    }
}
