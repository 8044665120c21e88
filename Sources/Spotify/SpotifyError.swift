/// Why a call gave no answer. Texts are fit for a log: no token, no secret, at most a few words of Spotify's.
public enum SpotifyError: Error, Sendable, Equatable {
    /// 401: the token has expired or is unknown.
    case unauthorized
    /// 403: closed for this app, or for this object.
    case forbidden(String)
    /// 404 in the Web API's own words: there is no such object.
    case notFound(String)
    /// 400, or a request that could not be put into words (then nothing was sent).
    case badRequest(String)
    /// 429. `retryAfter` is nil when Spotify did not say, or said something that is no time.
    case rateLimited(retryAfter: Duration?, quotaExceeded: Bool)
    /// 5xx.
    case server(status: Int, message: String)
    /// No connection, name or trusted certificate in time: no byte of a request was sent.
    case unreachable(String)
    /// Sent, but not answered in full within the timeout.
    case timedOut
    /// Sent, then the connection was reset, or ended before the answer did, or carried something that is not HTTP.
    case cut(String)
    /// 200 with a body that is not one complete JSON object or array.
    case notJSON
    /// The body is over 8 MiB.
    case tooLarge
    /// The accounts service does not know the client or its secret.
    case badCredentials(String)
    /// A status, or a form of answer under that status, which the Web API's documentation does not know; 3xx among them.
    case unexpected(status: Int)
}

extension SpotifyError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unauthorized: "Spotify refused the token"
        case .forbidden(let message): "Spotify forbids it: \(message)"
        case .notFound(let message): "Spotify does not know it: \(message)"
        case .badRequest(let message): "Spotify found the request bad: \(message)"
        case .rateLimited(let wait, let quota):
            "Spotify says \(quota ? "the quota is spent" : "too many requests")" + (wait.map { ", wait \($0)" } ?? "")
        case .server(let status, let message): "Spotify failed with \(status): \(message)"
        case .unreachable(let reason): "Spotify cannot be reached: \(reason)"
        case .timedOut: "Spotify did not answer in time"
        case .cut(let reason): "Spotify's answer was cut: \(reason)"
        case .notJSON: "Spotify's answer is not JSON"
        case .tooLarge: "Spotify's answer is too large"
        case .badCredentials(let reason): "Spotify refused the client credentials: \(reason)"
        case .unexpected(let status): "Spotify answered with an unexpected status \(status)"
        }
    }
}
