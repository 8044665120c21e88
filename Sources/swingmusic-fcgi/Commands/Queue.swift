import ArgumentParser
import Gateway
import Glibc
import JSON
import Platform
import RateLimiting

/// `swingmusic-fcgi queue`: what waits to be asked of Spotify.
struct Queue: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what waits to be asked of Spotify, in the order of its turn, and what was given up.",
        discussion: """
            Reads limiter.db in the data folder, beside a running 'serve' or without one. Of a search what was typed is not shown.

            EXAMPLES
              sudo swingmusic-fcgi queue
              sudo swingmusic-fcgi queue --limit 100 --json
            """)

    @Option(help: "How many to show.")
    var limit = 20

    @Flag(help: "Print one JSON object. Instants are milliseconds since 1970.")
    var json = false

    @OptionGroup var environment: EnvironmentOptions

    func validate() throws {
        guard (1...100_000).contains(limit) else { throw ValidationError("--limit is a number from 1 to 100000") }
    }

    func run() throws {
        let folder = try DataFolder(environment)
        guard access(folder.path + "/" + DatabaseFile.limiter.name, F_OK) == 0 else {
            throw InstallationStatus.Fault.neverServed(folder.path)
        }
        let rateLimiter = try FileRateLimiter(of: folder.settings, creating: false, log: .silent)
        let status = try rateLimiter.status()
        let lookups = try rateLimiter.queued(atMost: limit)
        if json { return Output.json(Self.json(status, lookups)) }
        for line in Self.head(status) { print(line) }
        guard !lookups.isEmpty else { return }
        let rows = [["LOOKUP", "WHY", "WHEN", "LATEST FAILURE"]] + lookups.map { [$0.shownKey, $0.why, $0.when, $0.failure ?? ""] }
        print("")
        for line in TextColumns.lines(rows) { print(line) }
        let more = status.waiting.values.reduce(status.leased + status.failed, +) - lookups.count
        if more > 0 { print("... and \(more) more; --limit shows them") }
    }

    private static func head(_ status: RateLimiterStatus) -> [String] {
        let waiting = status.waiting.values.reduce(0, +)
        var lines = ["\(waiting) waiting, \(status.leased) under way, \(status.failed) given up"]
        lines.append("\(status.callsInWindow) of \(status.callsPerWindow) calls made in the last hour")
        if let cooldown = status.cooldown { lines.append("Spotify told us to wait until \(Output.time(cooldown.endsAt))") }
        for (what, pause) in [("Spotify cannot be reached", status.upstream), ("no token is to be had", status.tokenOutage)] {
            if let pause { lines.append("\(what): \(pause.reason); tried again at \(Output.time(pause.endsAt))") }
        }
        return lines
    }

    private static func json(_ status: RateLimiterStatus, _ lookups: [QueuedLookup]) -> JSONValue {
        .object([
            "waiting": .integer(status.waiting.values.reduce(0, +)), "leased": .integer(status.leased), "failed": .integer(status.failed),
            "callsInLastHour": .integer(status.callsInWindow), "callsPerHour": .integer(status.callsPerWindow),
            "cooldownEndsAt": status.cooldown.map { .integer($0.endsAt) },
            "lookups": .array(lookups.map(\.json)),
        ])
    }
}

extension QueuedLookup {
    /// `search/<kinds>/<offset>/<what was typed>` loses its end.
    fileprivate var shownKey: String {
        let parts = key.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
        return key.hasPrefix("search") ? parts.prefix(3).joined(separator: "/") : key
    }

    fileprivate var why: String {
        switch priority {
        case .caller: "somebody waits"
        case .unattended: "was asked for"
        case .renewal: "falls due"
        case .warming: "warm"
        }
    }

    fileprivate var when: String {
        if isLeased { return "under way" }
        if isFailed { return "given up" + (retryAt.map { ", until \(Output.time($0))" } ?? "") }
        return "in \(Output.length(wait.wholeSeconds))"
    }

    fileprivate var json: JSONValue {
        .object([
            "lookup": .string(shownKey), "why": .string(why), "state": .string(isLeased ? "leased" : isFailed ? "failed" : "waiting"),
            "secondsLeft": isLeased || isFailed ? nil : .integer(wait.wholeSeconds), "failure": failure.map(JSONValue.string),
            "queuedAt": queuedAt.map { .integer($0) }, "retryAt": retryAt.map { .integer($0) },
        ])
    }
}
