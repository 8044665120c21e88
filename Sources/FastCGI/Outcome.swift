import Synchronization

/// What became of a request.
public enum Outcome: Sendable {
    case now(Response)
    /// What is needed is on its way.
    case pending(PendingResponse)
    /// Parked: it holds a descriptor and some kilobytes, but no thread, until its reply or its deadline.
    case parked(ParkedRequest)
}

/// How a request begins to wait for what is on its way to it.
public struct PendingResponse: Sendable {
    private let begin: @Sendable (ResponsePromise) -> Outcome?
    private var note: (@Sendable (Outcome) -> Outcome)?

    /// - Parameter begin: begins to wait, and answers nil when the promise will be kept, or else the outcome after all (`now` or `later`).
    ///   Called once, at once, on the event thread.
    public init(_ begin: @escaping @Sendable (ResponsePromise) -> Outcome?) { self.begin = begin }

    /// The same with somebody who sees the outcome, whichever way it comes, and may change it.
    public func observed(_ note: @escaping @Sendable (Outcome) -> Outcome) -> PendingResponse {
        var observed = self
        observed.note = if let inner = self.note { { note(inner($0)) } } else { note }
        return observed
    }

    func outcome(for connection: Connection, _ kept: KeptPromises) -> Outcome? {
        begin(ResponsePromise(connection: connection, kept: kept, note: note)).map { note?($0) ?? $0 }
    }
}

/// The right to answer a request that its handler has let go of for a moment, because what it needs is on its way on a descriptor
/// that the event loop watches (`EventLoop.watch`).
///
/// Such a request costs a few words: nothing watches its caller, and nothing ends its wait but whoever holds this. That somebody keeps
/// the promise once, soon, and inside a watch's `ready`.
public final class ResponsePromise: Sendable {
    private let connection: Connection
    private let kept: KeptPromises
    private let note: (@Sendable (Outcome) -> Outcome)?

    init(connection: Connection, kept: KeptPromises, note: (@Sendable (Outcome) -> Outcome)?) {
        self.connection = connection
        self.kept = kept
        self.note = note
    }

    /// Answers the request, or parks it after all.
    public func keep(_ outcome: Outcome) { kept.append(note?(outcome) ?? outcome, for: connection) }
}

/// The answers that `ready` has brought, for the thread that called it.
final class KeptPromises: Sendable {
    typealias Item = (connection: Connection, outcome: Outcome)

    private let items = Mutex<[Item]>([])

    func append(_ outcome: Outcome, for connection: Connection) { items.withLock { $0.append((connection, outcome)) } }

    func take() -> [Item] {
        items.withLock { items in
            guard !items.isEmpty else { return [] }
            defer { items = [] }
            return items
        }
    }
}

/// What the application behind the event loop is. Both functions run on an event thread and must not block.
public protocol Handler: Sendable {
    /// Asked only when there is a body or a CONTENT_LENGTH; `request.body` is not there yet.
    func bodyPolicy(for request: Request) -> BodyPolicy
    func handle(_ request: Request) -> Outcome
}
