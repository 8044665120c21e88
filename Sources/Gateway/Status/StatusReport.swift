import Caching
import Glibc
import RateLimiting

/// Everything that the status routes show, as it was at one moment.
struct StatusReport: Sendable {
    /// Wall-clock milliseconds.
    var now: Int64
    /// Of the worker that looked.
    var version: String
    /// Of all workers, those that ended included.
    var counts: Counts
    /// Oldest first; the last minute is under way.
    var answersByMinute: [Int]
    var workers: [WorkerLook]
    /// nil while the limiter cannot be used.
    var limiter: TurnstileStatus?
    var limiterFault: String?
    var caches: CacheFigures
    var files: [FileLook]
    /// Records of `spotify` by namespace.
    var kinds: [NamespaceFigures]
    /// Records of `spotify` by how long they have been due. Empty where nobody asked.
    var ages: [AgeLook] = []
    /// The newest first.
    var lines: [LoggedLine]
    var readiness: Readiness

    var parked: Int { workers.reduce(0) { $0 + $1.parked } }
    /// 0...1 of the answers that say where they came from; nil before the first.
    func share(_ source: Counter.Source) -> Double? {
        let all = Counter.Source.allCases.reduce(0) { $0 + counts[$1] }
        return all == 0 ? nil : Double(counts[source]) / Double(all)
    }
    /// 0...1; nil before the first.
    var hitRatio: Double? {
        Counter.Source.allCases.filter(\.isHit).reduce(nil as Double?) { ratio, source in share(source).map { $0 + (ratio ?? 0) } }
    }
}

/// How many records are of an age.
struct AgeLook: Sendable, Equatable {
    var label: String
    var records: Int
}

/// A file in the data folder.
struct FileLook: Sendable, Equatable {
    var name: String
    var bytes: Int64
}

/// A living worker process.
struct WorkerLook: Sendable, Equatable {
    var process: Int32
    var uptimeSeconds: Int64
    var parked: Int
    /// What it has in memory of its own and shared; 0 when /proc does not tell.
    var residentBytes: Int64

    init(process: Int32, uptimeSeconds: Int64, parked: Int, residentBytes: Int64) {
        self.process = process
        self.uptimeSeconds = uptimeSeconds
        self.parked = parked
        self.residentBytes = residentBytes
    }

    init(_ worker: FiguresPage.Worker, now: Int64) {
        self.init(
            process: worker.process, uptimeSeconds: max(0, now - worker.startedAt) / 1000, parked: worker.parked,
            residentBytes: Self.resident(worker.process))
    }

    /// The second number of /proc/PID/statm, in pages (proc(5)).
    private static func resident(_ process: Int32) -> Int64 {
        guard let file = fopen("/proc/\(process)/statm", "re") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        guard fgets(&line, CInt(line.count), file) != nil else { return 0 }
        let words = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self).split(separator: " ")
        return words.count > 1 ? (Int64(words[1]) ?? 0) * Int64(sysconf(CInt(_SC_PAGESIZE))) : 0
    }
}
