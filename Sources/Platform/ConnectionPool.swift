import Synchronization

/// Connections at rest, lent to one thread at a time: to a store, or to a database's file.
///
/// The one that was put back last is lent first, so there are never more than were in use at the same moment, and its memory is warm.
/// (`@inlinable`, so that it is made for the connection it holds: it stands on the way of a hit.)
public final class ConnectionPool<Connection: Sendable>: Sendable {
    @usableFromInline struct Rest: Sendable {
        @usableFromInline var connections: [Connection] = []
        @usableFromInline var isClosed = false
    }

    /// Guards the list only: a connection is in it, or lent.
    @usableFromInline let rest = Mutex(Rest())
    @usableFromInline let most: Int

    /// - Parameter most: at rest; what is put back beyond that is let go of.
    public init(most: Int = .max) { self.most = most }

    /// How many are at rest.
    public var count: Int { rest.withLock { $0.connections.count } }

    /// The connection that was put back last; nil where none rests. When that one is of no use any more (its file was replaced), none of the
    /// older ones is: all are let go of.
    @inlinable
    public func take(if isUsable: (Connection) -> Bool = { _ in true }) -> Connection? {
        guard let connection = rest.withLock({ $0.connections.popLast() }) else { return nil }
        if isUsable(connection) { return connection }
        removeAll()
        return nil
    }

    /// Keeps the connection for the next borrower; after `close()` it is let go of.
    @inlinable
    public func put(_ connection: Connection) {
        rest.withLock { rest in
            if !rest.isClosed, rest.connections.count < most { rest.connections.append(connection) }
        }
    }

    /// Lends a connection, opening one where none rests. One that failed is not lent again: it may be what is wrong.
    @inlinable
    public func borrow<Result, Failure: Error>(
        if isUsable: (Connection) -> Bool = { _ in true }, opening: () throws(Failure) -> Connection,
        _ body: (Connection) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let connection = if let resting = take(if: isUsable) { resting } else { try opening() }
        let result = try body(connection)
        put(connection)
        return result
    }

    /// Lets go of every connection at rest.
    public func removeAll() { letGo(closing: false) }

    /// Lets go of every connection at rest, and keeps none that comes back.
    public func close() { letGo(closing: true) }

    private func letGo(closing: Bool) {
        let connections = rest.withLock { rest in
            if closing { rest.isClosed = true }
            defer { rest.connections = [] }
            return rest.connections
        }
        // They close here, outside the lock.
        withExtendedLifetime(connections) {}
    }
}
