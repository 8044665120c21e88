import Caching
import RateLimiting
import Spotify

/// Prometheus' text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats).
struct MetricsText {
    enum MetricType: String { case counter, gauge, histogram }

    static let contentType = "text/plain; version=0.0.4; charset=utf-8"
    private(set) var text = ""

    /// Begins a metric; its samples follow.
    mutating func metric(_ name: String, _ kind: MetricType, _ help: String) {
        text += "# HELP swingmusic_fcgi_\(name) \(Self.escaped(help, quotes: false))\n# TYPE swingmusic_fcgi_\(name) \(kind.rawValue)\n"
    }

    mutating func sample(_ name: String, _ labels: [(String, String)] = [], _ value: some CustomStringConvertible) {
        let list = labels.map { "\($0.0)=\"\(Self.escaped($0.1, quotes: true))\"" }.joined(separator: ",")
        text += "swingmusic_fcgi_\(name)\(list.isEmpty ? "" : "{\(list)}") \(value)\n"
    }

    /// The samples of a histogram.
    mutating func histogram(_ name: String, _ labels: [(String, String)], _ histogram: TimingSums.Histogram) {
        for (bound, count) in histogram.counts {
            sample("\(name)_bucket", labels + [("le", bound.map { "\($0)" } ?? "+Inf")], count)
        }
        sample("\(name)_sum", labels, histogram.seconds)
        sample("\(name)_count", labels, histogram.count)
    }

    /// A metric with one sample.
    mutating func single(_ name: String, _ kind: MetricType, _ help: String, _ value: some CustomStringConvertible) {
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
        durations(&text)
        signIns(&text)
        workers(&text)
        spotify(&text)
        calls(&text)
        storage(&text)
        return text.text
    }

    private func durations(_ text: inout MetricsText) {
        text.metric(
            "request_duration_seconds", .histogram,
            "From the whole request to its answer, by family of routes and outcome: from a tier (hit), brought by a call (fetched), not to be had in time (unanswered); of what is in no cache 2xx and 3xx (ok), 4xx (refused), 5xx (failed)."
        )
        for family in Counter.Family.allCases {
            for outcome in RequestOutcome.allCases.prefix(family.outcomes) {
                text.histogram(
                    "request_duration_seconds", [("family", family.label), ("outcome", "\(outcome)")], timings.requests(family, outcome))
            }
        }
        text.metric(
            "wait_seconds", .histogram,
            "How long callers of metadata were parked until there was something to tell them, or until they left.")
        for hasLeft in [false, true] {
            text.histogram("wait_seconds", [("end", hasLeft ? "left" : "answered")], timings.waits(haveLeft: hasLeft))
        }
    }

    private func calls(_ text: inout MetricsText) {
        text.metric(
            "spotify_call_duration_seconds", .histogram,
            "From a call's first byte to its end, by how it ended; of one that was not sent (unreachable) from its beginning.")
        for kind in CallResult.Kind.allCases {
            text.histogram("spotify_call_duration_seconds", [("outcome", kind.metricLabel)], timings.calls(kind))
        }
        text.single(
            "spotify_last_success_timestamp_seconds", .gauge, "When Spotify answered last, in seconds since 1970; 0: never.",
            Double(timings.lastSuccess ?? 0) / 1000)
    }

    private func signIns(_ text: inout MetricsText) {
        text.metric("sign_ins_total", .counter, "Attempts to begin a session, by way and result.")
        for way in SignIn.Way.allCases {
            for result in SignIn.Ending.allCases {
                text.sample("sign_ins_total", [("way", "\(way)"), ("result", "\(result)")], timings.signIns(way, result))
            }
        }
        guard let sessions else { return }
        text.single("sessions", .gauge, "Open sessions.", sessions.sessions)
        text.single("session_users", .gauge, "Users who have an open session.", sessions.users)
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
            "spotify_turn_seconds", .histogram,
            "How long a turn took to take: a transaction in limiter.db and the wait for its lock, not that until it was due.")
        let turns = TimingSums.Histogram(
            counts: counts.turns.map { (bound: $0.bound.map { Double($0) / 1_000_000 }, count: $0.count) },
            seconds: Double(counts.turnMicroseconds) / 1_000_000)
        text.histogram("spotify_turn_seconds", [], turns)
    }

    private func workers(_ text: inout MetricsText) {
        text.single("workers", .gauge, "Living worker processes.", workers.count)
        text.single("parked", .gauge, "Parked requests: those that wait for a lookup or a file, this one included.", parked)
        text.metric("worker_uptime_seconds", .gauge, "Seconds since the worker began.")
        for worker in workers { text.sample("worker_uptime_seconds", worker.slotLabels, worker.uptimeSeconds) }
        text.metric("worker_resident_bytes", .gauge, "Memory that the worker has, shared pages included.")
        for worker in workers { text.sample("worker_resident_bytes", worker.slotLabels, worker.residentBytes) }
        text.metric("worker_parked", .gauge, "Requests that the worker has parked.")
        for worker in workers { text.sample("worker_parked", worker.slotLabels, worker.parked) }
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
        if let shared = limiter.shared, shared.host != nil { hosts(shared, &text) }
        text.metric("queue_lookups", .gauge, "Lookups that wait for a turn.")
        for priority in Priority.allCases { text.sample("queue_lookups", [("priority", "\(priority)")], limiter.waiting[priority] ?? 0) }
        text.single("queue_leased", .gauge, "Lookups under way.", limiter.leased)
    }

    /// Where hosts share the account's pace (this worker's view).
    private func hosts(_ shared: SharedStanding, _ text: inout MetricsText) {
        text.single(
            "shared_store_usable", .gauge, "0 while the store that hosts share cannot be used and nothing is looked up.",
            shared.fault == nil ? 1 : 0)
        text.single(
            "shared_store_round_trip_seconds", .gauge, "How long the last look at that store took.",
            Double(shared.roundTrip?.wholeNanoseconds ?? 0) / 1e9)
        text.single("shared_turn", .counter, "The number of the last call of all hosts.", shared.turn)
        text.metric("hosts", .gauge, "Other hosts that share the account: those that live, and those that went without a goodbye.")
        text.sample("hosts", [("state", "alive")], shared.living.count)
        text.sample("hosts", [("state", "silent")], shared.silent)
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
        text.metric("store_breaker_open", .gauge, "1 while the worker does not ask DragonflyDB, as it was a second ago.")
        for worker in workers { text.sample("store_breaker_open", worker.slotLabels, worker.isStoreUnused ? 1 : 0) }
    }

    /// 0 when it has come.
    func seconds(until instant: Int64) -> Double { Double(max(0, instant - now)) / 1000 }
}

extension WorkerLook {
    /// Slots, not process ids: a worker that is replaced is the same series.
    fileprivate var slotLabels: [(String, String)] { [("slot", "\(slot)")] }
}

extension CallResult.Kind {
    /// `rate_limited`.
    fileprivate var metricLabel: String { "\(self)".map { $0.isUppercase ? "_\($0.lowercased())" : "\($0)" }.joined() }
}

extension NamespaceStatistics {
    /// `catalog:track` is called `track`.
    var kind: String {
        let text = String(decoding: name, as: UTF8.self)
        return text.isEmpty ? "other" : String(text.split(separator: ":", maxSplits: 1).last ?? "other")
    }
}
