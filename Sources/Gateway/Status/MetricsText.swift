import Caching
import RateLimiting

/// Prometheus' text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats).
struct MetricsText {
    enum Kind: String { case counter, gauge, histogram }

    static let contentType = "text/plain; version=0.0.4; charset=utf-8"
    private(set) var text = ""

    /// Begins a metric; its samples follow.
    mutating func metric(_ name: String, _ kind: Kind, _ help: String) {
        text += "# HELP swingmusic_fcgi_\(name) \(Self.escaped(help, quotes: false))\n# TYPE swingmusic_fcgi_\(name) \(kind.rawValue)\n"
    }

    mutating func sample(_ name: String, _ labels: [(String, String)] = [], _ value: some CustomStringConvertible) {
        let list = labels.map { "\($0.0)=\"\(Self.escaped($0.1, quotes: true))\"" }.joined(separator: ",")
        text += "swingmusic_fcgi_\(name)\(list.isEmpty ? "" : "{\(list)}") \(value)\n"
    }

    /// A metric with one sample.
    mutating func single(_ name: String, _ kind: Kind, _ help: String, _ value: some CustomStringConvertible) {
        metric(name, kind, help)
        sample(name, [], value)
    }

    static func escaped(_ text: String, quotes: Bool) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quotes: escaped += "\\\""
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}

extension StatusReport {
    var metrics: String {
        var text = MetricsText()
        answers(&text)
        workers(&text)
        spotify(&text)
        storage(&text)
        return text.text
    }

    private func answers(_ text: inout MetricsText) {
        text.metric("answers_total", .counter, "Requests answered, by family of routes and class of status.")
        for family in Counter.Family.allCases {
            for statusClass in Counter.classes {
                text.sample("answers_total", [("family", family.label), ("class", "\(statusClass)xx")], counts[family, statusClass])
            }
        }
        text.metric(
            "sources_total", .counter, "Answers by where they came from: a tier (a hit), a call (stored, collapsed), or nowhere in time.")
        for source in Counter.Source.allCases { text.sample("sources_total", [("source", "\(source)")], counts[source]) }
        text.single("stale_hits_total", .counter, "Hits whose record was due.", counts.stale)
        text.metric("log_lines_total", .counter, "Log lines at warning and above.")
        text.sample("log_lines_total", [("level", "warning")], counts.warnings)
        text.sample("log_lines_total", [("level", "error")], counts.errors)
        text.metric("build_info", .gauge, "1, with the version of the worker that answers.")
        text.sample("build_info", [("version", version)], 1)
        text.single("ready", .gauge, "1 when it can serve.", readiness.isReady ? 1 : 0)
        text.metric("trouble", .gauge, "1 while it is so, by the words of readyz.")
        let words = Set(readiness.complaints.map(\.trouble))
        for trouble in Trouble.allCases { text.sample("trouble", [("word", trouble.rawValue)], words.contains(trouble) ? 1 : 0) }
    }

    private func turns(_ text: inout MetricsText) {
        text.metric(
            "spotify_turn_seconds", .histogram, "How long a turn took to take: a transaction in limiter.db and the wait for its lock.")
        for (bound, count) in counts.turns {
            text.sample("spotify_turn_seconds_bucket", [("le", bound.map { "\(Double($0) / 1_000_000)" } ?? "+Inf")], count)
        }
        text.sample("spotify_turn_seconds_sum", [], Double(counts.turnMicroseconds) / 1_000_000)
        text.sample("spotify_turn_seconds_count", [], counts.turns.last?.count ?? 0)
    }

    private func workers(_ text: inout MetricsText) {
        text.single("workers", .gauge, "Living worker processes.", workers.count)
        text.single("parked", .gauge, "Parked requests: those that wait for a lookup or a file, this one included.", parked)
        text.metric("worker_uptime_seconds", .gauge, "Seconds since the worker began.")
        for worker in workers { text.sample("worker_uptime_seconds", [("pid", "\(worker.process)")], worker.uptimeSeconds) }
        text.metric("worker_resident_bytes", .gauge, "Memory that the worker has, shared pages included.")
        for worker in workers { text.sample("worker_resident_bytes", [("pid", "\(worker.process)")], worker.residentBytes) }
    }

    private func spotify(_ text: inout MetricsText) {
        text.single("spotify_calls_total", .counter, "Turns spent on calls to Spotify.", counts.calls)
        turns(&text)
        text.single("limiter_usable", .gauge, "0 while limiter.db cannot be used and nothing is looked up.", limiter == nil ? 0 : 1)
        guard let limiter else { return }
        text.single("spotify_calls_last_hour", .gauge, "Calls that count against the budget now.", limiter.callsInWindow)
        text.single("spotify_calls_per_hour", .gauge, "The budget.", limiter.callsPerWindow)
        text.single("spotify_next_slot_seconds", .gauge, "Until a caller's lookup may be called.", seconds(until: limiter.nextSlotAt))
        text.single(
            "spotify_cooldown_seconds", .gauge, "Until Spotify may be called again after a 429.",
            seconds(until: limiter.cooldown?.endsAt ?? 0))
        text.single(
            "spotify_account_refused", .gauge, "1 while Spotify refuses this account, whatever is asked for.",
            limiter.accountRefusal == nil ? 0 : 1)
        text.metric("queue_lookups", .gauge, "Lookups that wait for a turn.")
        for priority in Priority.allCases { text.sample("queue_lookups", [("priority", "\(priority)")], limiter.waiting[priority] ?? 0) }
        text.single("queue_leased", .gauge, "Lookups under way.", limiter.leased)
    }

    private func storage(_ text: inout MetricsText) {
        text.metric("file_bytes", .gauge, "Size of a database or its journal.")
        for file in files { text.sample("file_bytes", [("file", file.name)], file.bytes) }
        text.metric("cache_entries", .gauge, "Rows of a cache.")
        for service in caches.services { text.sample("cache_entries", [("cache", service.cache.rawValue)], service.entries) }
        text.metric("records", .gauge, "Records of the catalog by kind.")
        for kind in kinds { text.sample("records", [("kind", kind.kind)], kind.entries) }
        guard let store = caches.store else { return }
        text.single("store_used", .gauge, "1 while DragonflyDB is asked (this worker's view).", store.isUsed ? 1 : 0)
        text.single(
            "store_wrong_copies_total", .counter, "Values in DragonflyDB that were no copy of what was asked for (this worker's view).",
            store.wrongCopies)
    }

    /// 0 when it has come.
    func seconds(until instant: Int64) -> Double { Double(max(0, instant - now)) / 1000 }
}

extension NamespaceStatistics {
    /// `catalog:track` is called `track`.
    var kind: String {
        let text = String(decoding: name, as: UTF8.self)
        return text.isEmpty ? "other" : String(text.split(separator: ":", maxSplits: 1).last ?? "other")
    }
}
