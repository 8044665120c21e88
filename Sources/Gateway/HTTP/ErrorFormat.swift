import Catalog
import FastCGI
import JSON
import Platform
import Sessions

/// The shape in which a family of routes speaks of errors.
enum ErrorFormat: Sendable {
    /// The Web API's: `{"error":{"status":404,"message":"..."}}`.
    case spotify
    /// The web client's, the caches' and our own: `{"error":"..."}`.
    case plain
    /// swingmusic's: `{"msg":"..."}`.
    case swingmusic
    /// That of accounts.spotify.com (RFC 6749, 5.2): `{"error":"invalid_request","error_description":"..."}`; other codes by `TokenError`.
    case accounts

    static let json = "application/json"

    func error(_ status: Int, _ message: String) -> Response {
        let text = JSONWriter.quoted(message)
        let body: [UInt8]
        switch self {
        case .spotify: body = Array(#"{"error":{"status":\#(status),"message":"#.utf8) + text + Array("}}".utf8)
        case .plain: body = Array(#"{"error":"#.utf8) + text + Array("}".utf8)
        case .swingmusic: body = Array(#"{"msg":"#.utf8) + text + Array("}\n".utf8)
        case .accounts: body = TokenError.body(status >= 500 ? .unavailable : .request, text)
        }
        var response = Response(status: status, contentType: Self.json, body: body)
        response.add("Cache-Control", "no-store")
        return response
    }

    /// 405 with what would be allowed (RFC 9110, 15.5.6).
    func methodNotAllowed(_ allowed: String) -> Response {
        var response = error(405, "Method not allowed")
        response.add("Allow", allowed)
        return response
    }

    /// 503 with an honest `Retry-After` in whole seconds, rounded up (RFC 9110, 10.2.3).
    /// - Parameter reason: for the log.
    func unavailable(_ message: String, _ reason: Reason, retryAfter: Duration, status: Int = 503) -> Response {
        var response = error(status, message)
        response.add(retryAfter: retryAfter)
        response.unserved = reason
        return response
    }

    /// What is not here yet, and when to come back for it. The Web API's clients sleep as long as `Retry-After` says, in the call, and come
    /// three times at most; so they are told the time at which it should be here, and no more than a minute where that is long.
    /// Only they are told apart what can be waited for (429) and what cannot; for the others all of it is 503.
    /// - Parameters:
    ///   - after: when it is expected.
    ///   - reason: for the log, where the obstacle's kind does not say it.
    func notYet(_ obstacle: Obstacle, after: Duration, _ reason: Reason? = nil) -> Response {
        let reason = reason ?? Reason(obstacle.kind)
        guard case .spotify = self else { return unavailable(obstacle.words, reason, retryAfter: after) }
        let isLong = obstacle.kind == .cooldown || after > Self.longSleep
        let told = isLong ? min(after, Self.shortSleep) : after
        // A cooldown's words have its end in them.
        let end = told < after && obstacle.kind != .cooldown ? "; not before \((SystemClock().wall + after).text)" : ""
        var response = unavailable(obstacle.words + end, reason, retryAfter: told, status: obstacle.status)
        if obstacle.status == 429 { response.add("RateLimit-Reset", "\(max(1, after.secondsRoundedUp))") }
        return response
    }

    /// What a client may be made to sleep through at once, and what it is told where it would be longer.
    private static let (longSleep, shortSleep) = (Duration.seconds(300), Duration.seconds(60))
}

/// The codes of the token endpoint's errors (RFC 6749, 5.2, and what accounts.spotify.com has besides).
enum TokenError: String, CaseIterable {
    case request = "invalid_request"
    case client = "invalid_client"
    case grant = "unsupported_grant_type"
    case mediaType = "unsupported_media_type"
    case tooMany = "slow_down"
    case unavailable = "temporarily_unavailable"

    func response(_ status: Int, _ description: String) -> Response {
        var response = Response(status: status, contentType: ErrorFormat.json, body: Self.body(self, JSONWriter.quoted(description)))
        response.add("Cache-Control", "no-store")
        if self == .tooMany { response.unserved = .guesses }
        return response
    }

    /// - Parameter description: as JSON.
    static func body(_ code: TokenError, _ description: [UInt8]) -> [UInt8] {
        Array(#"{"error":"\#(code.rawValue)","error_description":"#.utf8) + description + Array("}".utf8)
    }

    static let schema = Schema.object(["error": .oneOf(allCases.map(\.rawValue)), "error_description": .text])
}

extension Obstacle {
    /// The status with which the Web API's clients are told.
    fileprivate var status: Int {
        switch kind {
        case .turn, .cooldown: 429
        case .credentials, .account, .server: 503
        case .spotify: 502
        case .timeout: 504
        }
    }
}

extension Response {
    /// Whole seconds, rounded up, at least 1.
    mutating func add(retryAfter: Duration) { add("Retry-After", "\(max(1, retryAfter.secondsRoundedUp))") }
}

/// Why a request was not served, as its line in the log says it: words of ours alone, since an answer's own may repeat what somebody typed,
/// or what Spotify said. It is a part of the answer's note.
enum Reason: Int, CaseIterable, Sendable {
    /// Its turn has not come: the pace, the hour, others before it, a call that is under way.
    case turn = 1
    case queueFull, clientShare
    /// Spotify has said to wait.
    case cooldown
    case credentials, account
    /// Spotify failed, or did not answer in time.
    case spotify, timeout
    /// The limiter's file, or something else of ours without a word of its own.
    case server
    case database, restarting
    /// Too many callers are parked, or too much waits for this worker's files.
    case busy
    /// Wrong passwords or codes, wrong admin tokens.
    case guesses
    case tokensOfSession, loginsAtOnce
    /// What sessions are checked with cannot be read.
    case sessions
    case noSessions
    /// swingmusic does not answer, or its songs cannot be read.
    case swingmusic
    /// `readyz` says what.
    case notReady

    /// `client-share`.
    var words: String { "\(self)".map { $0.isUppercase ? "-\($0.lowercased())" : "\($0)" }.joined() }

    init(_ kind: Obstacle.Kind) {
        switch kind {
        case .turn: self = .turn
        case .cooldown: self = .cooldown
        case .credentials: self = .credentials
        case .account: self = .account
        case .server: self = .server
        case .spotify: self = .spotify
        case .timeout: self = .timeout
        }
    }

    init(_ cause: Answer.Cause) {
        switch cause {
        case .guesses: self = .guesses
        case .tokens: self = .tokensOfSession
        case .logins: self = .loginsAtOnce
        case .files: self = .sessions
        }
    }
}

extension Response {
    private static let reasonShift = 16

    /// Why it is no answer; nil for those that are, and where nobody said.
    var unserved: Reason? {
        get { Reason(rawValue: note >> Self.reasonShift) }
        set { note = note & (1 << Self.reasonShift - 1) | (newValue?.rawValue ?? 0) << Self.reasonShift }
    }

    func because(_ reason: Reason) -> Response {
        var response = self
        response.unserved = reason
        return response
    }
}
