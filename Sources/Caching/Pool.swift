import Synchronization

/// Connections at rest. The one that was put back last is taken first, so there are never more in use than threads
/// that used one at the same moment, and its memory is warm.
final class Pool<Resource: Sendable>: Sendable {
    private struct Rest {
        var items: [Resource] = []
        var isClosed = false
    }
    /// Guards the list only; a connection is used outside the lock.
    private let rest = Mutex(Rest())

    func take() -> Resource? { rest.withLock { $0.items.popLast() } }

    /// Keeps the item for the next borrower; after `close()` it is let go.
    func put(_ item: Resource) {
        rest.withLock { if !$0.isClosed { $0.items.append(item) } }
    }

    var count: Int { rest.withLock { $0.items.count } }

    /// Lets go of every item at rest, and takes no more.
    func close() {
        let items = rest.withLock { rest in
            rest.isClosed = true
            defer { rest.items = [] }
            return rest.items
        }
        withExtendedLifetime(items) {}
    }
}
