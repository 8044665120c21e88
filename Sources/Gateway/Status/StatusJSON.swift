import Caching
import RateLimiting

/// `/swingmusic-fcgi/status.json`: the report, member by member. Instants are milliseconds since 1970.
struct StatusJSON: Encodable {
    struct Sources: Encodable { let memory, dragonfly, sqlite, stored, collapsed, unanswered, stale: UInt64 }
    struct Hour: Encodable { let calls, budget: Int }
    struct Cooldown: Encodable {
        let endsAt: Int64
        let reason: String
    }
    struct Worker: Encodable {
        let pid: Int32
        let uptimeSeconds: Int64
        let parked: Int
        let residentBytes: Int64
    }
    struct File: Encodable {
        let name: String
        let bytes: Int64
    }
    struct Records: Encodable {
        let kind: String
        let entries: Int
        let bytes: Int64
        let lastUpdated: Int64?
    }
    struct Age: Encodable {
        let age: String
        let records: Int
    }
    struct Line: Encodable {
        let time: Int64
        let pid: Int32
        let level, text: String
    }
    struct Ready: Encodable {
        let ready: Bool
        let reasons, warnings: [String]
    }
    struct Limiter: Encodable {
        let lastHour: Hour
        let nextSlotAt: Int64
        let cooldown, upstreamOutage, tokenOutage: Cooldown?
        let queue: [String: Int]
        let leased, failed: Int
    }

    let now: Int64
    let version: String
    let readiness: Ready
    let answers: [String: [String: UInt64]]
    let sources: Sources
    let answersByMinute: [Int]
    let parked: Int
    let limiter: Limiter?
    let limiterFault: String?
    let workers: [Worker]
    let files: [File]
    let records: [Records]
    let ages: [Age]
    let storeUsed: Bool?
    let latestErrors: [Line]

    init(_ report: StatusReport) {
        now = report.now
        version = report.version
        readiness = Ready(ready: report.readiness.isReady, reasons: report.readiness.reasons, warnings: report.readiness.warnings)
        let counts = report.counts
        answers = Dictionary(
            uniqueKeysWithValues: Counter.Family.allCases.map { family in
                (family.label, Dictionary(uniqueKeysWithValues: Counter.classes.map { ("\($0)xx", counts[family, $0]) }))
            })
        sources = Sources(
            memory: counts[.memory], dragonfly: counts[.dragonfly], sqlite: counts[.sqlite], stored: counts[.stored],
            collapsed: counts[.collapsed], unanswered: counts[.unanswered], stale: counts.stale)
        answersByMinute = report.answersByMinute
        parked = report.parked
        limiter = report.limiter.map(Limiter.init)
        limiterFault = report.limiterFault
        workers = report.workers.map {
            Worker(pid: $0.process, uptimeSeconds: $0.uptimeSeconds, parked: $0.parked, residentBytes: $0.residentBytes)
        }
        files = report.files.map { File(name: $0.name, bytes: $0.bytes) }
        records = report.kinds.map { Records(kind: $0.kind, entries: $0.entries, bytes: $0.bytes, lastUpdated: $0.lastUpdated) }
        ages = report.ages.map { Age(age: $0.label, records: $0.records) }
        storeUsed = report.caches.store?.isUsed
        latestErrors = report.lines.map { Line(time: $0.time, pid: $0.process, level: $0.level, text: $0.text) }
    }
}

extension StatusJSON.Limiter {
    init(_ status: RateLimiterStatus) {
        lastHour = StatusJSON.Hour(calls: status.callsInWindow, budget: status.callsPerWindow)
        nextSlotAt = status.nextSlotAt
        cooldown = status.cooldown.map { StatusJSON.Cooldown(endsAt: $0.endsAt, reason: $0.reason) }
        upstreamOutage = status.upstream.map { StatusJSON.Cooldown(endsAt: $0.endsAt, reason: $0.reason) }
        tokenOutage = status.tokenOutage.map { StatusJSON.Cooldown(endsAt: $0.endsAt, reason: $0.reason) }
        queue = Dictionary(uniqueKeysWithValues: Priority.allCases.map { ("\($0)", status.waiting[$0] ?? 0) })
        leased = status.leased
        failed = status.failed
    }
}

extension RateLimiterStatus.Cooldown {
    var reason: String { quotaExceeded ? "429: the quota is exceeded" : "429: too many requests" }
}
