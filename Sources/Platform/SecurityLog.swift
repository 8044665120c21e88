import Logging
import Synchronization

/// Lines of a kind of their own for who watches over an installation: who came in, who was refused, what was ended or changed, and by whom.
///
/// Their words and the order of what follows them are an interface: `scripts/fail2ban` reads them. The address comes first, so that no name can
/// be taken for one. What somebody typed is not in them: a name is a user's, or one that an admin gives out, and no longer than it says something.
public struct SecurityLog: Sendable {
    public enum Event: String, Sendable, CaseIterable {
        case signedIn = "signed in"
        case signInRefused = "sign-in refused"
        case paired = "device paired"
        /// A session began with a token that swingmusic made itself.
        case tokenAdopted = "token of swingmusic's adopted"
        /// To the status page, with the admin token, and out again.
        case administratorSignedIn = "administrator signed in"
        case administratorSignedOut = "administrator signed out"
        case pairingRefused = "pair code refused"
        /// Of the admin token, or the one for the caches.
        case tokenRefused = "admin token refused"
        case sessionEnded = "session ended"
        /// All of a user's, but perhaps the one that asked for it.
        case sessionsEnded = "sessions ended"
        /// Seen, not done here: another password, another owner of the id, or the user is gone.
        case accountChanged = "account changed, sessions ended"
        /// Allowed, and passed on to swingmusic, which carries it out: the next four.
        case userCreated = "user to be created"
        case firstUserCreated = "first user to be created"
        case userChanged = "user to be changed"
        case userDeleted = "user to be deleted"
        case cleared = "cache cleared"
        /// Client keys.
        case keyMade = "key made"
        case keyRevoked = "key revoked"
        case keyRefused = "key refused"

        /// Who should be kept out when there are many from one address.
        public var isGuess: Bool { [.signInRefused, .pairingRefused, .tokenRefused, .keyRefused].contains(self) }
    }

    private let log: Logger
    private let guesses: LineLimit
    private let adoptions: LineLimit
    private let others: LineLimit

    /// - Parameter most: lines a second of this process, of guesses, of swingmusic's tokens, of which a first start sees many, and of all else:
    ///   neither hides the rest. Of more it is said how many were left out.
    public init(_ log: Logger, most: Int = 50, clock: any HostClock = SystemClock()) {
        self.log = log
        guesses = LineLimit(most: most, clock: clock)
        adoptions = LineLimit(most: most, clock: clock)
        others = LineLimit(most: most, clock: clock)
    }

    private func limit(_ event: Event) -> LineLimit { event == .tokenAdopted ? adoptions : event.isGuess ? guesses : others }

    /// Unicode scalars of a name that are shown. Some logs cut a line that is long, and what followed would be a line of its own.
    private static let longestName = 100

    /// - Parameters:
    ///   - address: the client's; empty where it is not a request's doing.
    ///   - user: whose; nil where there is no such user.
    ///   - actor: who did it, where it is not the user.
    ///   - cache: which one, or `all`.
    ///   - key: a client key's name.
    public func note(
        _ event: Event, from address: String, user: String? = nil, by actor: String? = nil, cache: String? = nil, key: String? = nil
    ) {
        guard log.logLevel <= .notice, let omitted = limit(event).admit() else { return }
        // Handlers sort them by name.
        var metadata: Logger.Metadata = ["address": "\(address.isEmpty ? "-" : address)"]
        if let actor { metadata["by"] = "\(Self.short(actor))" }
        if let cache { metadata["cache"] = "\(cache)" }
        if let key { metadata["key"] = "\(key)" }
        if omitted > 0 { metadata["omitted"] = .stringConvertible(omitted) }
        if let user { metadata["user"] = "\(Self.short(user))" }
        log.notice("security: \(event.rawValue)", metadata: metadata)
    }

    private static func short(_ name: String) -> String {
        let scalars = name.unicodeScalars
        guard scalars.count > longestName else { return name }
        return String(String.UnicodeScalarView(scalars.prefix(longestName))) + "…"
    }
}

/// So many lines a second: a log must not cost what a flood's answers do not.
public final class LineLimit: Sendable {
    private let most: Int
    private let clock: any HostClock
    private let recent = Mutex(Recent())  // guards what the present second has had

    private struct Recent {
        var second: UInt64 = 0
        var lines = 0
        var omitted = 0
    }

    public init(most: Int, clock: any HostClock) {
        self.most = most
        self.clock = clock
    }

    /// nil where the second has had its lines; else how many were left out before.
    public func admit() -> Int? {
        let second = clock.monotonic.nanoseconds / 1_000_000_000
        return recent.withLock { recent in
            if recent.second != second {
                recent.second = second
                recent.lines = 0
            }
            guard recent.lines < most else {
                recent.omitted += 1
                return nil
            }
            recent.lines += 1
            defer { recent.omitted = 0 }
            return recent.omitted
        }
    }
}
