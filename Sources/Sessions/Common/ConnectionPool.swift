import GRDB

/// Open connections to one SQLite file, lent to one thread at a time, and never to a file that was replaced meanwhile.
final class ConnectionPool: Sendable {
    private struct Connection {
        var queue: DatabaseQueue
        var stamp: FileStamp
        /// Opened as immutable: SQLite does not look for changes, so any change of the stamp makes the connection useless.
        var isFrozen: Bool
    }

    private let path: String
    private let most: Int
    private let open: @Sendable (_ isFrozen: Bool) throws -> DatabaseQueue
    private let connections = Locked<[Connection]>([])  // guards the list: a connection is in it, or lent

    init(path: String, most: Int = 16, open: @escaping @Sendable (_ isFrozen: Bool) throws -> DatabaseQueue) {
        self.path = path
        self.most = most
        self.open = open
    }

    /// - Parameters:
    ///   - stamp: of the file as it is now.
    ///   - isFrozen: whether a connection that has to be opened is to be immutable.
    ///   - isStale: whether a frozen connection may no longer be used.
    func borrow<Result>(
        at stamp: FileStamp, isFrozen: () -> Bool = { false }, isStale: () -> Bool = { false }, _ body: (Database) throws -> Result
    ) throws -> Result {
        let connection = try take(at: stamp, isStale) ?? make(stamp, isFrozen())
        // A connection that failed is closed rather than shelved: it may be what is wrong.
        let result = try connection.queue.inDatabase(body)
        connections.withLock { if $0.count < most { $0.append(connection) } }
        return result
    }

    func closeAll() { connections.withLock { $0.removeAll() } }

    private func take(at stamp: FileStamp, _ isStale: () -> Bool) -> Connection? {
        guard let found = connections.withLock({ $0.popLast() }) else { return nil }
        if found.isFrozen ? found.stamp == stamp && !isStale() : found.stamp.isSameFile(as: stamp) { return found }
        closeAll()
        return nil
    }

    private func make(_ stamp: FileStamp, _ isFrozen: Bool) throws -> Connection {
        for _ in 0..<3 {
            let queue = try open(isFrozen)
            // The file may have been replaced between the look at it and the opening.
            guard let now = FileStamp(path: path) else { break }
            if now.isSameFile(as: stamp) { return Connection(queue: queue, stamp: stamp, isFrozen: isFrozen) }
        }
        throw DatabaseError(resultCode: .SQLITE_CANTOPEN, message: "the file is being replaced")
    }
}
