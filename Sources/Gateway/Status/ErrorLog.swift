import Glibc
import Logging
import Platform

/// Hands every event on, and keeps those at warning and above for the status page, without what is secret.
struct ErrorLog: LogHandler {
    private var inner: any LogHandler
    private let page: Scoreboard
    private let redaction: Redaction

    init(_ inner: any LogHandler, page: Scoreboard, redaction: Redaction) {
        self.inner = inner
        self.page = page
        self.redaction = redaction
    }

    var logLevel: Logger.Level {
        get { inner.logLevel }
        set { inner.logLevel = newValue }
    }

    var metadata: Logger.Metadata {
        get { inner.metadata }
        set { inner.metadata = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { inner[metadataKey: key] }
        set { inner[metadataKey: key] = newValue }
    }

    func log(event: LogEvent) {
        inner.log(event: event)
        guard event.level >= .warning else { return }
        let extras = inner.metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }
        let text = redaction.applied(to: event.message.description + extras.joined())
        page.note(
            LoggedLine(time: SystemClock().wall.milliseconds, process: getpid(), level: event.level.rawValue, text: text),
            isError: event.level >= .error)
    }
}

/// Takes secrets out of a text that is shown elsewhere than in the log: a second guard behind the rule that none is ever logged.
struct Redaction: Sendable {
    private let secrets: [String]

    /// Shorter ones would match by chance.
    private static let shortest = 6

    init(secrets: [String?]) {
        self.secrets = secrets.compactMap { $0 }.filter { $0.utf8.count >= Self.shortest }
    }

    func applied(to text: String) -> String {
        var rest = text
        for secret in secrets { rest = rest.split(separator: secret, omittingEmptySubsequences: false).joined(separator: "(secret)") }
        return rest
    }
}
