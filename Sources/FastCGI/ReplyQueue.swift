import Synchronization

/// Answers to parked requests on their way from any thread to the event threads.
final class ReplyQueue: Sendable {
    struct Item {
        let connection: Connection
        let response: Response
    }

    /// Readable when there is something to fetch.
    let bell: EventCounter
    private let items = Mutex<[Item]>([])
    /// A thread that fetches takes so many and looks after its other connections before the next.
    private static let batch = 16

    init() throws(EventLoopError) {
        bell = try EventCounter()
    }

    func push(_ response: Response, to connection: Connection) {
        let wasEmpty = items.withLock {
            $0.append(Item(connection: connection, response: response))
            return $0.count == 1
        }
        if wasEmpty { bell.ring() }
    }

    /// Takes the oldest; what remains rings for another thread.
    func fetch() -> [Item] {
        let (taken, remains) = items.withLock { items in
            let taken = Array(items.prefix(Self.batch))
            items.removeFirst(taken.count)
            return (taken, !items.isEmpty)
        }
        if remains { bell.ring() }
        return taken
    }
}
