/// What is wrong with a store: DragonflyDB, or another server of its protocol. Its description is for the log.
public enum StoreFault: Error, Sendable, Equatable, CustomStringConvertible {
    /// Nobody listens, the name is unknown, or the connection broke.
    case unreachable(String)
    /// It accepts and does not answer within the deadline.
    case silent
    /// It is loading a snapshot.
    case loading
    /// It wants a password, or another than the one it was given.
    case password(String)
    /// What answers does not speak this protocol.
    case foreign(String)
    /// It answers with an error: MOVED, protected mode, too many clients.
    case refused(String)
    /// It works, and is not fit for what it is wanted for; the text says what is to be done.
    case unsuitable(String)

    public var description: String {
        switch self {
        case .unreachable(let reason): "it cannot be reached: \(reason)"
        case .silent: "it accepts connections and does not answer within the deadline"
        case .loading: "it is loading a snapshot"
        case .password(let reason): "the password is missing or wrong: \(reason)"
        case .foreign(let reason): "something else than DragonflyDB answers there: \(reason)"
        case .refused(let reason): "it refuses: \(reason)"
        case .unsuitable(let reason): reason
        }
    }

    /// For telling news from repetition.
    public var kind: Int {
        switch self {
        case .unreachable: 0
        case .silent: 1
        case .loading: 2
        case .password: 3
        case .foreign: 4
        case .refused: 5
        case .unsuitable: 6
        }
    }

    /// Which fault an error reply means. Only its first 120 bytes are kept.
    public init(reply: String) {
        let text = String(reply.prefix(120))
        switch String(text.prefix(while: { $0 != " " })) {
        case "LOADING", "-LOADING": self = .loading
        case "NOAUTH", "WRONGPASS", "NOPERM": self = .password(text)
        case "ERR" where text.hasPrefix("ERR invalid password"): self = .password(text)
        default: self = .refused(text)
        }
    }

    /// Whether an error reply to a write means that the store serves reads and takes no copies: out of memory
    /// (`noeviction`), a replica, or a Redis that cannot save.
    public static func refusesWrites(_ reply: String) -> Bool {
        ["OOM", "READONLY", "MISCONF", "NOREPLICAS"].contains(String(reply.prefix(while: { $0 != " " })))
    }
}
