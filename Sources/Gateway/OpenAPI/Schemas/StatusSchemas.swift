/// What the status routes answer.
enum StatusSchemas {
    static let all: KeyValuePairs<String, Schema> = [
        "Readiness": .object(["status": .oneOf(["ok", "unavailable"])], optional: ["reasons": lines, "warnings": lines]),
        "Status": .object(
            [
                "now": instant, "version": .text, "readiness": .object(["ready": .boolean, "reasons": lines, "warnings": lines]),
                "answers": .map(of: .object(["2xx": count, "3xx": count, "4xx": count, "5xx": count])),
                "sources": .object(
                    [
                        "memory": count, "dragonfly": count, "sqlite": count, "stored": count, "collapsed": count, "unanswered": count,
                        "stale": count,
                    ]),
                "answersByMinute": .list(of: count, least: 60, most: 60), "parked": count, "workers": .list(of: .named("Worker")),
                "files": .list(of: .object(["name": .text, "bytes": count])), "records": .list(of: .named("RecordFigures")),
                "ages": .list(of: .object(["age": .text, "records": count])), "latestErrors": .list(of: .named("LogLine"), most: 64),
            ], optional: ["limiter": .named("Limiter"), "limiterFault": .text, "storeUsed": .boolean]),
        "Worker": .object(["pid": .integer(1), "uptimeSeconds": count, "parked": count, "residentBytes": count]),
        "RecordFigures": .object(["kind": .text, "entries": count, "bytes": count], optional: ["lastUpdated": instant]),
        "LogLine": .object(["time": instant, "pid": .integer(1), "level": .oneOf(["warning", "error"]), "text": .text]),
        "Limiter": .object(
            [
                "lastHour": .object(["calls": count, "budget": count]), "nextSlotAt": instant,
                "queue": .object(["caller": count, "unattended": count, "renewal": count, "warming": count]), "leased": count,
                "failed": count,
            ], optional: ["cooldown": .named("Pause"), "upstreamOutage": .named("Pause"), "tokenOutage": .named("Pause")]),
        "Pause": .object(["endsAt": instant, "reason": .text]),
    ]

    private static let count = Schema.integer(0)
    private static let lines = Schema.list(of: .text)
    /// Milliseconds since 1970.
    private static let instant = Schema.integer(0)
}
