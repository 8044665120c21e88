/// What the owner of a call says when its connection is ready. Printing or reflecting on it never shows the token.
public enum Gate: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Send now: the request target (`/v1/tracks/ID?market=SE`, percent-encoded) and the access token.
    case send(target: String, bearer: String)
    /// Not now: nothing is sent, the connection is kept.
    case hold

    public var description: String {
        switch self {
        case .send(let target, _): "send \(target)"
        case .hold: "hold"
        }
    }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// How a call ended.
public enum CallResult: Sendable, Equatable {
    case answer(Answer)
    case failure(SpotifyError)
    /// The gate said hold: nothing was sent.
    case held
}

/// A complete answer of the Web API with status 200.
public struct Answer: Sendable, Equatable {
    public let status: Int
    /// One complete JSON object or array, in valid UTF-8.
    public let body: [UInt8]
    /// From the gate to the last byte.
    public let elapsed: Duration

    public init(status: Int, body: [UInt8], elapsed: Duration) {
        self.status = status
        self.body = body
        self.elapsed = elapsed
    }
}
