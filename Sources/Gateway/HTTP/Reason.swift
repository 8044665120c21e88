import Catalog
import FastCGI
import Sessions

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
