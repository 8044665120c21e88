/// What the routes of the families that speak the plain dialect and are the administrator's answer themselves, beside what access brings.
enum Refusals {
    static func all(_ statuses: [Int]) -> [DescribedAnswer] {
        statuses.map { .json($0, words[$0] ?? "Refused.", .named("Error"), headers: DescribedHeader.always(with: $0)) }
    }

    private static let words = [
        400: "A malformed key or parameter, or a namespace that is not cleared here.", 401: "The token is a wrong one.",
        403: "Nobody can do that, or not from there.", 404: "There is nothing of that name.",
        409: "What is to be added to is no whole number, or the sum has more than 64 bits.",
        429: "Too many wrong tokens came from this address in this minute.",
        503: "The database or the sessions cannot be used, or the server is busy.",
    ]
}

/// What the status routes answer.
enum StatusSchemas {
    static let all: KeyValuePairs<String, Schema> = [
        "Readiness": .object(
            ["status": .oneOf(["ok", "degraded", "unavailable"]), "reasons": words, "warnings": words],
            optional: ["details": .list(of: .object(["word": word, "text": .text, "remedy": .text]))]),
        "Status": .object(
            [
                "now": instant, "version": .text, "readiness": .named("Readiness"),
                "answers": .map(of: .object(["2xx": count, "3xx": count, "4xx": count, "5xx": count])),
                "sources": .object(
                    [
                        "memory": count, "dragonfly": count, "sqlite": count, "stored": count, "collapsed": count, "unanswered": count,
                        "stale": count,
                    ]),
                "answersByMinute": .list(of: count, least: 60, most: 60), "parked": count, "workers": .list(of: .named("Worker")),
                "files": .list(of: .object(["name": .text, "bytes": count])), "records": .list(of: .named("RecordFigures")),
                "ages": .list(of: .object(["age": .text, "records": count])), "latestErrors": .list(of: .named("LogLine"), most: 64),
            ],
            optional: [
                "limiter": .named("Limiter"), "limiterFault": .text, "storeUsed": .boolean, "hosts": .named("Hosts"),
                "account": .object(
                    ["consentedAt": instant, "endsAt": instant, "isEnding": .boolean, "isPrivate": .boolean],
                    optional: ["owner": .text, "endReason": .text]),
            ]),
        "Worker": .object(["pid": .integer(1), "uptimeSeconds": count, "parked": count, "residentBytes": count]),
        "RecordFigures": .object(["kind": .text, "entries": count, "bytes": count], optional: ["lastUpdated": instant]),
        "LogLine": .object(["time": instant, "pid": .integer(1), "level": .oneOf(["warning", "error"]), "text": .text]),
        "Limiter": .object(
            [
                "lastHour": .object(["calls": count, "budget": count]), "nextSlotAt": instant,
                "queue": .object(["caller": count, "unattended": count, "renewal": count, "warming": count]), "leased": count,
                "failed": count,
            ],
            optional: [
                "cooldown": .named("Pause"), "upstreamOutage": .named("Pause"), "tokenOutage": .named("Pause"),
                "accountRefusal": .named("Pause"),
            ]),
        "Hosts": .object(
            [
                "turn": count, "silent": count, "mixed": .list(of: .text),
                "others": .list(of: .object(["name": .text, "alive": .boolean], optional: ["heardAt": instant])),
            ], optional: ["host": .text, "fault": .text, "roundTripMicroseconds": count, "seenAt": instant, "lastCaller": .text]),
        "History": .object([
            "span": .oneOf(HistorySpan.allCases.map(\.rawValue)), "step": .integer(1), "now": instant,
            // Of each figure as many as there are steps.
            "figures": .map(of: .list(of: .anything, least: 60, most: 186)),
        ]),
        "Pause": .object(["endsAt": instant, "reason": .text]),
        "ClientKey": .object(["name": .text, "id": keyID, "createdAt": instant, "usedAt": instant.orNull]),
        "NewClientKey": .object(["name": .text, "id": keyID, "secret": .text(pattern: "^[0-9a-f]{64}$")]),
    ]

    private static let keyID = Schema.text(pattern: "^[0-9a-f]{32}$")
    private static let count = Schema.integer(0)
    private static let word = Schema.oneOf(Trouble.allCases.map(\.rawValue))
    private static let words = Schema.list(of: word)
    /// Milliseconds since 1970.
    private static let instant = Schema.integer(0)
}
