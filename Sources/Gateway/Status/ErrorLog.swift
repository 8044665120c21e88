import CSystem
import Glibc
import Logging

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
            LoggedLine(time: csys_wall_ms(), process: getpid(), level: event.level.rawValue, text: text), isError: event.level >= .error)
    }
}

/// Takes secrets out of a text that is shown elsewhere than in the log: a second door behind the rule that none is ever logged.
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

/// A line of the log as the status page shows it.
struct LoggedLine: Sendable, Equatable {
    /// Wall-clock milliseconds.
    var time: Int64
    var process: Int32
    var level: String
    var text: String
}

extension Scoreboard {
    func note(_ line: LoggedLine, isError: Bool) {
        add(isError ? Counter.errors : Counter.warnings)
        let number = csys_add64(start + Offset.logSequence, 1)
        let entry = self.entry(number)
        csys_store64(entry + LogRing.Field.number, 0)
        csys_store64(entry + LogRing.Field.time, UInt64(bitPattern: line.time))
        csys_store64(entry + LogRing.Field.process, UInt64(line.process))
        csys_store64(entry + LogRing.Field.level, isError ? 1 : 0)
        let text = Array(line.text.utf8.prefix(LogRing.longestText))
        text.withUnsafeBytes { if let base = $0.baseAddress { memcpy(entry + LogRing.Field.text, base, $0.count) } }
        csys_store64(entry + LogRing.Field.length, UInt64(text.count))
        csys_store64(entry + LogRing.Field.number, number)
    }

    /// The newest first.
    func latestLines(_ limit: Int) -> [LoggedLine] {
        let newest = csys_load64(start + Offset.logSequence)
        let oldest = newest > UInt64(LogRing.entries) ? newest - UInt64(LogRing.entries) + 1 : 1
        guard newest >= oldest else { return [] }
        return Array((oldest...newest).reversed().lazy.compactMap(line).prefix(limit))
    }

    private func entry(_ number: UInt64) -> UnsafeMutableRawPointer {
        start + Offset.log + Int(number % UInt64(LogRing.entries)) * LogRing.entryBytes
    }

    private func line(_ number: UInt64) -> LoggedLine? {
        let entry = entry(number)
        guard csys_load64(entry + LogRing.Field.number) == number else { return nil }
        let length = min(Int(csys_load64(entry + LogRing.Field.length)), LogRing.longestText)
        let line = LoggedLine(
            time: Int64(bitPattern: csys_load64(entry + LogRing.Field.time)),
            process: Int32(truncatingIfNeeded: csys_load64(entry + LogRing.Field.process)),
            level: csys_load64(entry + LogRing.Field.level) == 1 ? "error" : "warning",
            text: String(decoding: UnsafeRawBufferPointer(start: entry + LogRing.Field.text, count: length), as: UTF8.self))
        return csys_load64(entry + LogRing.Field.number) == number ? line : nil
    }
}
