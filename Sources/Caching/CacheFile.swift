import GRDB
import GRDBSQLite

/// One opening of `cache.db`: a connection that writes, and a pool of connections that read. It is replaced as a whole
/// when the file is.
final class CacheFile: Sendable {
    let path: String
    let identity: FileIdentity
    /// The shared page's generation under which it was opened.
    let generation: UInt64
    /// Random, made with the file: a copy in DragonflyDB that names another is of another file.
    let epoch: Int64
    /// nil: the file cannot be written, and `refusal` says why.
    let writer: DatabaseQueue?
    let refusal: String?
    private let address: ReadAddress
    private let readers = Pool<RowReader>()

    /// Opens the file, makes it when there is none, and takes the steps of the schema that are missing. The caller holds
    /// the gate, so that nobody moves the file meanwhile.
    init(path: String, generation: UInt64, threads: Int) throws(OpeningFailure) {
        self.path = path
        self.generation = generation
        switch try CacheFileOpening.writer(path) {
        case .writable(let queue): (writer, refusal, address) = (queue, nil, ReadAddress(path))
        case .readOnly(let reason):
            (writer, refusal, address) = (nil, reason, ReadAddress(readOnly: path))
        }
        do throws(SQLiteFailure) {
            let reader = try Self.reader(address)
            identity = FileIdentity.of(path) ?? FileIdentity(device: 0, inode: 0, size: 0)
            epoch = try reader.number("SELECT epoch FROM state")
            readers.put(reader)
            for _ in 1..<max(threads, 1) { readers.put(try Self.reader(address)) }
        } catch {
            throw error.isDamage ? .damaged(error.message) : .failed(error.message)
        }
    }

    /// Lends a connection; `opening` makes one more when all are lent (the caller then holds the gate, see
    /// `SQLiteStore`).
    func borrow<Result>(
        opening: (() throws(SQLiteFailure) -> RowReader) throws(SQLiteFailure) -> RowReader,
        _ body: (RowReader) throws(SQLiteFailure) -> Result
    ) throws(SQLiteFailure) -> Result {
        let reader =
            if let resting = readers.take() {
                resting
            } else {
                try opening { () throws(SQLiteFailure) in try Self.reader(self.address) }
            }
        // A connection that failed is not lent again.
        let result = try body(reader)
        readers.put(reader)
        return result
    }

    /// Lets go of the connections at rest; those that are lent go when they come back.
    func close() {
        readers.close()
        try? writer?.close()
    }

    private static func reader(_ address: ReadAddress) throws(SQLiteFailure) -> RowReader {
        let reader = try RowReader(uri: address.uri, readOnly: address.isReadOnly)
        try reader.check()
        return reader
    }
}

/// How the reading connections open the file.
struct ReadAddress: Sendable {
    var uri: String
    var isReadOnly: Bool

    init(_ path: String) {
        uri = "file:" + Self.escape(path)
        isReadOnly = false
    }

    /// A read-only WAL database without a log and its index can be read only when nobody changes it
    /// (sqlite.org/wal.html, "Read-Only Databases").
    init(readOnly path: String) {
        uri = "file:" + Self.escape(path)
        isReadOnly = true
        let hasLog = (FileIdentity.of(path + "-wal")?.size ?? 0) > 0
        if !hasLog { uri += "?immutable=1" }
    }

    private static func escape(_ path: String) -> String {
        let hex = Array("0123456789ABCDEF".utf8)
        var escaped: [UInt8] = []
        for byte in path.utf8 {
            if byte == UInt8(ascii: "%") || byte == UInt8(ascii: "?") || byte == UInt8(ascii: "#") {
                escaped += [UInt8(ascii: "%"), hex[Int(byte >> 4)], hex[Int(byte & 15)]]
            } else {
                escaped.append(byte)
            }
        }
        return String(decoding: escaped, as: UTF8.self)
    }
}
