import CSystem
import Caching
import Foundation
import Glibc
import RateLimiting

/// Looks at everything that the status routes show. Blocks on files; not for an event thread.
struct Survey: Sendable {
    let version: String
    let figures: FiguresPage
    let caches: Caches
    let turnstile: Turnstile
    let dataDirectory: String
    let hasCredentials: Bool

    /// - Parameter withAges: counts the records by age, which takes the longer the more there are.
    func report(now: Int64 = csys_wall_ms(), withAges: Bool) -> StatusReport {
        let limiter = Result { try turnstile.status() }
        let cached = caches.figures()
        return StatusReport(
            now: now, version: version, counts: figures.sum, answersByMinute: figures.answersByMinute(now: now),
            workers: figures.workers.map { WorkerLook($0, now: now) }.sorted { $0.process < $1.process },
            limiter: try? limiter.get(), limiterFault: limiter.fault, caches: cached,
            files: Self.files.map { FileLook(name: $0, bytes: Self.size(dataDirectory + "/" + $0)) }.filter { $0.bytes > 0 },
            kinds: (try? caches.namespaces(.spotify)) ?? [], ages: withAges ? ages(now: now) : [], lines: figures.latestLines(20),
            readiness: readiness(cached, limiter.fault))
    }

    private func ages(now: Int64) -> [AgeLook] {
        let day: Int64 = 86_400_000
        let all = caches.count(.spotify)
        let due = [now, now - day, now - 30 * day].map { (try? caches.count(.spotify, expiringBefore: $0)) ?? 0 }
        return [
            AgeLook(label: "fresh", records: max(0, all - due[0])), AgeLook(label: "due for less than a day", records: due[0] - due[1]),
            AgeLook(label: "due for 1 to 30 days", records: due[1] - due[2]), AgeLook(label: "due for longer", records: due[2]),
        ]
    }

    /// Why nothing, or not everything, can be served.
    func readiness() -> Readiness {
        let limiter = Result { try turnstile.status() }
        return readiness(caches.figures(), limiter.fault)
    }

    private func readiness(_ cached: CacheFigures, _ limiterFault: String?) -> Readiness {
        var readiness = Readiness()
        do { _ = try caches.get(.temp, Array("readyz".utf8)) } catch { readiness.reasons.append("the database cannot be read: \(error)") }
        if let refusal = cached.writeRefusal {
            readiness.reasons.append("the database cannot be written: \(refusal)")
        } else if access(dataDirectory, W_OK) != 0 {
            readiness.reasons.append("the data folder cannot be written")
        }
        if let limiterFault { readiness.reasons.append("the limiter cannot be used, nothing is looked up: \(limiterFault)") }
        if !hasCredentials { readiness.warnings.append("SPOTIFY_CLIENT_ID is not set: what is cached is served, nothing new is looked up") }
        if let fault = cached.store?.fault { readiness.warnings.append("DragonflyDB is not used: \(fault)") }
        return readiness
    }

    private static let files = ["cache.db", "cache.db-wal", "limiter.db", "limiter.db-journal", "sessions.db", "sessions.db-journal"]

    private static func size(_ path: String) -> Int64 {
        var status = stat()
        return stat(path, &status) == 0 ? Int64(status.st_size) : 0
    }
}

/// Whether it can serve.
struct Readiness: Sendable, Equatable {
    /// Why it cannot.
    var reasons: [String] = []
    /// What keeps it from serving everything.
    var warnings: [String] = []
    var isReady: Bool { reasons.isEmpty }
}

extension Result {
    fileprivate var fault: String? {
        if case .failure(let error) = self { "\(error)" } else { nil }
    }
}
