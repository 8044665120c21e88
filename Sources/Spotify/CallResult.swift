import CLibCurl
import Glibc
import JSON
import Logging
import Platform

/// How a call ended.
public enum CallResult: Sendable, Equatable {
    case answer(SpotifyAnswer)
    case failure(SpotifyError)
    /// The gate said hold: nothing was sent.
    case held

    /// What is counted of how calls end.
    public enum Kind: Int, CaseIterable, Sendable {
        case answered
        /// 400, 403, 404: there is no such thing, or not for this app.
        case refused
        case accountRefused
        /// 401.
        case unauthorized
        /// 429.
        case rateLimited
        /// 5xx.
        case failed
        case timedOut
        /// Cut, or nothing that the Web API answers.
        case broken
        /// No connection: nothing was sent.
        case unreachable
    }

    /// nil where nothing was to be sent.
    public var kind: Kind? {
        switch self {
        case .answer: .answered
        case .held: nil
        case .failure(let error): error.kind
        }
    }

    /// For the log: the kind of result, without its content, and without Spotify's words, which may repeat what was searched for.
    var summary: String {
        switch self {
        case .answer: "answer"
        case .held: "held"
        case .failure(let error): String("\(error)".prefix { $0 != ":" })
        }
    }
}

/// A complete answer of the Web API with status 200.
public struct SpotifyAnswer: Sendable, Equatable {
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

/// How far a transfer came, as far as Spotify's quota goes.
enum Stage: Equatable {
    /// Nothing of the request was sent.
    case connecting
    /// The gate has said send.
    case sent(at: MonotonicTime)
    /// The gate has said hold.
    case held
    /// The gate named a target or token that cannot be a request line or header.
    case malformed
    /// After sending, curl wanted to send once more on a new connection, and was not let.
    case refusedResend
}

/// Everything that is known of a transfer when it has ended.
struct Ending {
    var stage: Stage
    var code: CURLcode
    /// curl's words about `code`.
    var words: String
    /// 0 when no status line came.
    var status: Int
    var body: [UInt8]
    var overflowed: Bool
    var retryAfter: Duration?
    var endedAt: MonotonicTime

    /// What a call of the Web API came to.
    var callResult: CallResult {
        switch stage {
        case .held: return .held
        case .connecting, .malformed, .refusedResend: break
        case .sent(let at):
            if transportError == nil, status == 200, JSONDocument.isComplete(body) {
                return .answer(SpotifyAnswer(status: status, body: body, elapsed: endedAt - at))
            }
        }
        return .failure(transportError ?? statusError)
    }

    /// What a token request came to.
    var tokenResult: Result<AccessToken, SpotifyError> {
        if let transportError { return .failure(transportError) }
        if status == 200 {
            guard JSONDocument.isComplete(body) else { return .failure(.notJSON) }
            return AccessToken(answer: body).map { .success($0) } ?? .failure(.unexpected(status: status))
        }
        if (400..<500).contains(status), status != 429, let error = ErrorBody(body), let code = error.code {
            return .failure(.badCredentials(error.message.isEmpty ? code : "\(code): \(error.message)"))
        }
        return .failure(status == 401 ? .badCredentials(ErrorBody.words(in: body, status: status)) : statusError)
    }

    /// What went wrong before the answer was complete. A 429 counts as soon as its status is known, whatever became of its body.
    private var transportError: SpotifyError? {
        switch stage {
        case .connecting: return .unreachable(words)
        case .malformed: return .badRequest("the request target or the token has characters that cannot be sent")
        case .refusedResend: return .cut("the kept connection had died")
        case .held, .sent: break
        }
        if status == 429 { return statusError }
        if overflowed || code == CURLE_FILESIZE_EXCEEDED { return .tooLarge }
        switch code {
        case CURLE_OK: return nil
        case CURLE_OPERATION_TIMEDOUT: return .timedOut
        default: return .cut(words)
        }
    }

    private var statusError: SpotifyError {
        let message = ErrorBody.words(in: body, status: status)
        switch status {
        case 200: return .notJSON
        case 400: return .badRequest(message)
        case 401: return .unauthorized
        case 403: return ErrorBody(body).map(\.isAboutAccount) ?? true ? .accountRefused(message) : .forbidden(message)
        // Only in the Web API's own words: a 404 of something between us and Spotify must not make a record gone.
        case 404: return ErrorBody(body) == nil ? .unexpected(status: 404) : .notFound(message)
        case 429: return .rateLimited(retryAfter: retryAfter, quotaExceeded: ErrorBody(body)?.reason == "QUOTA_EXCEEDED")
        case 500..<600: return .server(status: status, message: message, retryAfter: retryAfter.flatMap { $0 > .zero ? $0 : nil })
        default: return .unexpected(status: status)
        }
    }
}

/// Why a call gave no answer. Texts are fit for a log: no token, no secret, at most a few words of Spotify's.
public enum SpotifyError: Error, Sendable, Equatable {
    /// 401: the token has expired or is unknown.
    case unauthorized
    /// 403 in the Web API's own words: closed for this app, or for this object.
    case forbidden(String)
    /// 403 that speaks of the account or the app, or not in the Web API's form: it may be meant for everything.
    case accountRefused(String)
    /// 404 in the Web API's own words: there is no such object.
    case notFound(String)
    /// 400, or a request that could not be put into words (then nothing was sent).
    case badRequest(String)
    /// 429. `retryAfter` is nil when Spotify did not say, or said something that is no time.
    case rateLimited(retryAfter: Duration?, quotaExceeded: Bool)
    /// 5xx. `retryAfter`: how long it expects not to be there (RFC 9110, section 10.2.3); nil when it did not say.
    case server(status: Int, message: String, retryAfter: Duration? = nil)
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

extension SpotifyError {
    fileprivate var kind: CallResult.Kind {
        switch self {
        case .badRequest, .forbidden, .notFound: .refused
        case .accountRefused, .badCredentials: .accountRefused
        case .unauthorized: .unauthorized
        case .rateLimited: .rateLimited
        case .server: .failed
        case .timedOut: .timedOut
        case .unreachable: .unreachable
        case .cut, .notJSON, .tooLarge, .unexpected: .broken
        }
    }
}

extension SpotifyError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unauthorized: "Spotify refused the token"
        case .forbidden(let message): "Spotify forbids it: \(message)"
        case .accountRefused(let message): "Spotify refuses this account: \(message)"
        case .notFound(let message): "Spotify does not know it: \(message)"
        case .badRequest(let message): "Spotify found the request bad: \(message)"
        case .rateLimited(let wait, let quota):
            "Spotify says \(quota ? "the quota is spent" : "too many requests")" + (wait.map { ", wait \($0)" } ?? "")
        case .server(let status, let message, let wait):
            "Spotify failed with \(status)" + (wait.map { ", wait \($0)" } ?? "") + ": \(message)"
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

/// The error objects of the Web API (`{"error":{"status","message","reason"}}`) and of the accounts service
/// (`{"error":"invalid_client","error_description":"..."}`).
struct ErrorBody {
    let message: String
    let reason: String?
    /// The accounts service's code, such as `invalid_client`.
    let code: String?

    /// The error that a body holds; nil when it has neither form.
    init?(_ body: [UInt8]) {
        guard let fields = try? JSONDocument(body).root, let error = fields["error"] else { return nil }
        code = error.string
        let words = code == nil ? error["message"] : fields["error_description"]
        let reason = error["reason"]
        // With members of other types it is something else's error.
        guard code != nil || error.kind == .object, [words, reason].allSatisfy({ $0 == nil || $0?.string != nil }) else { return nil }
        message = words?.string ?? ""
        self.reason = reason?.string
    }

    /// Whether it speaks of whose app this is, and not of what was asked for. Sources: what developers report of lapsed subscriptions,
    /// blocked apps and users who are not registered in the dashboard.
    var isAboutAccount: Bool {
        let words = message.lowercased()
        return [
            "premium", "subscription", "developer dashboard", "developer.spotify.com", "owner of the app", "app owner", "not registered",
        ]
        .contains { words.contains($0) }
    }

    /// The words of an answer that is no 200, fit for a log and an error text: a line of at most 200 characters.
    static func words(in body: [UInt8], status: Int) -> String {
        let text = ErrorBody(body)?.message ?? String(decoding: body.prefix(400), as: UTF8.self)
        let line = String(text.map { $0.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control } ? $0 : " " }.prefix(200))
        return line.allSatisfy(\.isWhitespace) ? "status \(status)" : line
    }
}

/// The `Retry-After` header: seconds, or a date (RFC 9110, section 10.2.3).
enum RetryAfter {
    /// Longer waits are taken as this one: nothing that Spotify has been seen to say comes near.
    static let longest: Int64 = 366 * 86_400

    /// The wait that a header line names; nil when the line is another header or names no time. A date is a wait from `now`; one that has
    /// passed is zero.
    static func read(line: String, now: WallTime = SystemClock().wall) -> Duration? {
        guard let colon = line.firstIndex(of: ":"), line[..<colon].lowercased() == "retry-after" else { return nil }
        let value = line[line.index(after: colon)...].filter { $0 != "\r" && $0 != "\n" && $0 != "\r\n" }
        let text = String(value.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
        return seconds(text) ?? date(text, now: now)
    }

    /// Digits, and a fraction that rounds up.
    private static func seconds(_ text: String) -> Duration? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = parts.first, !whole.isEmpty, parts.allSatisfy({ $0.utf8.allSatisfy { (48...57).contains($0) } }) else {
            return nil
        }
        let fraction: Int64 = parts.count == 2 && parts[1].contains { $0 != "0" } ? 1 : 0
        return .seconds(min(longest, Int64(whole).map { min($0, longest) + fraction } ?? longest))
    }

    private static func date(_ text: String, now: WallTime) -> Duration? {
        let instant = Int64(curl_getdate(text, nil))
        guard instant >= 0 else { return nil }
        return .milliseconds(min(longest * 1000, max(0, min(instant, Int64.max / 1000) * 1000 - now.milliseconds)))
    }
}
