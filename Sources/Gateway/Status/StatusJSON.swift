import Caching
import JSON
import Platform
import RateLimiting
import Spotify

/// `/swingmusic-fcgi/status.json`: the report, member by member. Instants are milliseconds since 1970.
enum StatusJSON {
    static func value(of report: StatusReport) -> JSONValue {
        .object([
            "now": .integer(report.now), "version": .string(report.version),
            "readiness": report.readiness.json(withTexts: true),
            "answers": .object(Counter.Family.allCases.map { JSONMember($0.label, classes(of: $0, report.counts)) }),
            "sources": sources(report.counts),
            "answersByMinute": .array(report.answersByMinute.map(JSONValue.integer)),
            "parked": .integer(report.parked),
            "limiter": report.limiter.map(limiter), "limiterFault": report.limiterFault.map(JSONValue.string),
            "hosts": report.limiter?.shared.map(hosts),
            "account": report.account.map { account($0, owner: report.accountOwner, now: report.now) },
            "workers": .array(
                report.workers.map {
                    [
                        "pid": .integer($0.process), "uptimeSeconds": .integer($0.uptimeSeconds), "parked": .integer($0.parked),
                        "residentBytes": .integer($0.residentBytes),
                    ]
                }),
            "files": .array(report.files.map { ["name": .string($0.name), "bytes": .integer($0.bytes)] }),
            "records": .array(report.kinds.map(records)),
            "ages": .array(report.ages.map { ["age": .string($0.label), "records": .integer($0.records)] }),
            "storeUsed": report.caches.store.map { .bool($0.isUsed) },
            "latestErrors": .array(
                report.lines.map {
                    ["time": .integer($0.time), "pid": .integer($0.process), "level": .string($0.level), "text": .string($0.text)]
                }),
        ])
    }

    /// The connected account: whose it is as far as that is known, since when, and when its consent ends, or why it has.
    static func account(_ standing: AccountStanding, owner: String?, now: Int64) -> JSONValue {
        .object([
            "owner": owner.map(JSONValue.string), "consentedAt": .integer(standing.consentedAt), "endsAt": .integer(standing.endsAt),
            "isEnding": .bool(standing.isEnding(now: WallTime(milliseconds: now))), "isPrivate": .bool(standing.isPrivate),
            "endReason": standing.endReason.map(JSONValue.string),
        ])
    }

    /// How many answers of each class of statuses a family gave.
    private static func classes(of family: Counter.Family, _ counts: Counters) -> JSONValue {
        .object(Counter.classes.map { JSONMember("\($0)xx", .integer(counts[family, $0])) })
    }

    private static func sources(_ counts: Counters) -> JSONValue {
        [
            "memory": .integer(counts[.memory]), "dragonfly": .integer(counts[.dragonfly]), "sqlite": .integer(counts[.sqlite]),
            "stored": .integer(counts[.stored]), "collapsed": .integer(counts[.collapsed]), "unanswered": .integer(counts[.unanswered]),
            "stale": .integer(counts.stale),
        ]
    }

    private static func records(_ kind: NamespaceStatistics) -> JSONValue {
        .object([
            "kind": .string(kind.kind), "entries": .integer(kind.entries), "bytes": .integer(kind.bytes),
            "lastUpdated": kind.lastUpdated.map(JSONValue.integer),
        ])
    }

    private static func limiter(_ status: RateLimiterStatus) -> JSONValue {
        .object([
            "lastHour": ["calls": .integer(status.callsInWindow), "budget": .integer(status.callsPerWindow)],
            "nextSlotAt": .integer(status.nextSlotAt),
            "cooldown": status.cooldown.map { pause($0.endsAt, $0.reason) },
            "upstreamOutage": status.upstream.map { pause($0.endsAt, $0.reason) },
            "tokenOutage": status.tokenOutage.map { pause($0.endsAt, $0.reason) },
            "accountRefusal": status.accountRefusal.map { pause($0.endsAt, $0.reason) },
            "queue": .object(Priority.allCases.map { JSONMember("\($0)", .integer(status.waiting[$0] ?? 0)) }),
            "leased": .integer(status.leased), "failed": .integer(status.failed),
        ])
    }

    private static func hosts(_ shared: SharedStanding) -> JSONValue {
        .object([
            "host": shared.host.map(JSONValue.string), "fault": shared.fault.map(JSONValue.string),
            "roundTripMicroseconds": shared.roundTrip.map { .integer($0.wholeNanoseconds / 1000) },
            "turn": .integer(shared.turn), "seenAt": shared.seenAt.map { .integer($0) },
            "lastCaller": shared.lastCaller.map(JSONValue.string), "silent": .integer(shared.silent),
            "mixed": .array(shared.mixed.map(JSONValue.string)),
            "others": .array(
                shared.others.map { name, heardAt in
                    .object([
                        "name": .string(name), "heardAt": heardAt.map { .integer($0) }, "alive": .bool(shared.living.contains(name)),
                    ])
                }),
        ])
    }

    private static func pause(_ endsAt: Int64, _ reason: String) -> JSONValue { ["endsAt": .integer(endsAt), "reason": .string(reason)] }
}
