import Caching
import Platform
import RateLimiting

/// One paragraph of `swingmusic-fcgi status`: a title and rows of as many cells each. What stands in them may come from elsewhere
/// (log lines do): the terminal's owner has to clean it.
public struct StatusSection: Sendable, Equatable {
    public var title: String
    public var rows: [[String]]

    static func all(of report: StatusReport) -> [StatusSection] {
        [readiness(report), requests(report), hits(report), spotify(report)] + [queue(report)].compactMap(\.self)
            + [workers(report), files(report), records(report), lines(report)]
    }

    private static func count(_ number: Int) -> String { Readable.count(UInt64(max(0, number))) }

    private static func readiness(_ report: StatusReport) -> StatusSection {
        StatusSection(
            title: "swingmusic-fcgi: \(report.readiness.headline)",
            rows: report.readiness.complaints.map { [$0.trouble.rawValue, $0.text] })
    }

    private static func requests(_ report: StatusReport) -> StatusSection {
        func rate(_ count: Int?) -> String { "\(Readable.rate(Double(count ?? 0) / 60)) a second" }
        return StatusSection(
            title: "Requests",
            rows: [
                ["last whole minute", rate(report.answersByMinute.dropLast().last)],
                ["busiest minute of the hour", rate(report.answersByMinute.max())],
                ["answered in all", Readable.count(report.counts.answered)],
                ["of these with 5xx", Readable.count(report.counts.failed)],
                ["parked now", count(report.parked)],
            ])
    }

    private static func hits(_ report: StatusReport) -> StatusSection {
        let rows = Counter.Source.allCases.map { [$0.words, Readable.percent(report.share($0)), Readable.count(report.counts[$0])] }
        return StatusSection(
            title: "Hits: \(Readable.percent(report.hitRatio)), \(Readable.count(report.counts.stale)) of them stale", rows: rows)
    }

    private static func spotify(_ report: StatusReport) -> StatusSection {
        guard let limiter = report.limiter else {
            return StatusSection(title: "Calls to Spotify", rows: [["the limiter cannot be used", report.limiterFault ?? ""]])
        }
        func until(_ instant: Int64, _ reason: String) -> String { "ends \(Readable.wait(report.seconds(until: instant))): \(reason)" }
        var rows = [
            ["in the last hour", "\(count(limiter.callsInWindow)) of \(count(limiter.callsPerWindow))"],
            ["next free slot", Readable.wait(report.seconds(until: limiter.nextSlotAt))],
            ["cooldown", limiter.cooldown.map { until($0.endsAt, $0.reason) } ?? "none"],
        ]
        if let outage = limiter.upstream { rows.append(["pause, unreachable", until(outage.endsAt, outage.reason)]) }
        if let outage = limiter.tokenOutage { rows.append(["pause, no token", until(outage.endsAt, outage.reason)]) }
        if let refusal = limiter.accountRefusal { rows.append(["account refused", until(refusal.endsAt, refusal.reason)]) }
        if let account = report.account {
            let standing = account.endReason.map { "consent ended: \($0)" } ?? "connected, consent ends on \(account.endDay)"
            rows.append(["account", [report.accountOwner, standing].compactMap(\.self).joined(separator: ", ")])
        }
        if let shared = limiter.shared, let host = shared.host {
            let store = shared.fault ?? shared.roundTrip.map { "answers in \($0.wholeNanoseconds / 1000) µs" } ?? "used by the workers"
            rows.append(["this host", "\(host); turn \(shared.turn) of all hosts" + (shared.lastCaller.map { ", by \($0)" } ?? "")])
            rows.append(["store of all hosts", store])
            for (name, heardAt) in shared.others {
                rows.append(["host \(name)", "heard of " + (heardAt.map(Readable.instant) ?? "just now")])
            }
        }
        return StatusSection(title: "Calls to Spotify", rows: rows)
    }

    private static func queue(_ report: StatusReport) -> StatusSection? {
        guard let limiter = report.limiter else { return nil }
        return StatusSection(
            title: "Queue: \(limiter.waiting.values.reduce(0, +)) waiting, \(limiter.leased) under way",
            rows: Priority.allCases.map { [$0.words, "\(limiter.waiting[$0] ?? 0)"] })
    }

    private static func workers(_ report: StatusReport) -> StatusSection {
        StatusSection(
            title: "Workers: \(report.workers.count)",
            rows: report.workers.map {
                [
                    "process \($0.process)", "up \(Readable.length($0.uptimeSeconds))", Readable.bytes($0.residentBytes),
                    "\($0.parked) parked",
                ]
            })
    }

    private static func files(_ report: StatusReport) -> StatusSection {
        StatusSection(
            title: "Store and files",
            rows: report.files.map { [$0.name, Readable.bytes($0.bytes)] } + [["DragonflyDB", report.storeWords]])
    }

    private static func records(_ report: StatusReport) -> StatusSection {
        let kinds = report.kinds.map { [$0.kind, count($0.entries), Readable.bytes($0.bytes)] }
        return StatusSection(title: "Records", rows: kinds + report.ages.map { [$0.label, count($0.records), ""] })
    }

    private static func lines(_ report: StatusReport) -> StatusSection {
        StatusSection(
            title: report.lines.isEmpty ? "Latest warnings and errors: none" : "Latest warnings and errors",
            rows: report.lines.map { [Readable.instant($0.time), "[\($0.process)]", $0.level, $0.text] })
    }
}

// What the figures are called where people read them: on the page and in the terminal.

extension Counter.Source {
    var words: String {
        switch self {
        case .memory: "memory"
        case .dragonfly: "DragonflyDB"
        case .sqlite: "SQLite"
        case .stored: "called Spotify"
        case .collapsed: "joined a call"
        case .unanswered: "not in time"
        }
    }
}

extension Priority {
    var words: String {
        switch self {
        case .caller: "somebody waits"
        case .unattended: "nobody waits any more"
        case .renewal: "renewals"
        case .warming: "warming"
        }
    }
}

/// Numbers as people read them.
enum Readable {
    /// `12,345`.
    static func count(_ number: UInt64) -> String {
        let digits = Array("\(number)")
        return String(
            digits.enumerated().flatMap { place, digit in
                place > 0 && (digits.count - place) % 3 == 0 ? [",", digit] : [digit]
            })
    }

    /// `1.4 GB`, in steps of 1000.
    static func bytes(_ bytes: Int64) -> String {
        var value = Double(bytes)
        for unit in ["B", "kB", "MB"] {
            if value < 1000 { return "\(unit == "B" ? "\(bytes)" : decimal(value)) \(unit)" }
            value /= 1000
        }
        return "\(decimal(value)) GB"
    }

    /// `3 d 4 h`: the two largest units.
    static func length(_ seconds: Int64) -> String {
        let parts = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")]
        let shown = parts.drop { $0.0 == 0 }.prefix(2).filter { $0.0 > 0 }
        return shown.isEmpty ? "0 s" : shown.map { "\($0.0) \($0.1)" }.joined(separator: " ")
    }

    /// `now`, or in how long.
    static func wait(_ seconds: Double) -> String { seconds <= 0 ? "now" : "in \(length(max(1, Int64(seconds.rounded(.up)))))" }

    static func percent(_ share: Double?) -> String { share.map { "\(decimal($0 * 100)) %" } ?? "–" }
    static func rate(_ rate: Double) -> String { rate > 0 && rate < 0.1 ? "under 0.1" : decimal(rate) }

    /// `2026-11-22 19:33:00 UTC`.
    static func instant(_ wall: Int64) -> String {
        WallTime(milliseconds: wall).text.replacing("T", with: " ").replacing("Z", with: " UTC")
    }

    /// One decimal place below 100.
    private static func decimal(_ value: Double) -> String {
        guard value < 99.95 else { return count(UInt64(value.rounded())) }
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }
}
