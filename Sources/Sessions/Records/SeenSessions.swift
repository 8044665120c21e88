/// Sessions that were used since the last `take`, so that "last seen" is written off the requests' way.
final class SeenSessions: Sendable {
    struct Use: Sendable {
        var userID: Int64
        var userName: String
        var userAgent: String?
        var address: String
        var beganAt: Int64
        var seenAt: Int64
    }

    private let uses = Locked<[String: Use]>([:])  // guards the uses not yet written, by session
    private static let most = 10_000

    func note(_ use: Use, of session: String) {
        uses.withLock { if $0.count < Self.most || $0[session] != nil { $0[session] = use } }
    }

    func take() -> [String: Use] {
        uses.withLock { uses in
            defer { uses = [:] }
            return uses
        }
    }

    func forget(_ session: String) { uses.withLock { _ = $0.removeValue(forKey: session) } }
}
