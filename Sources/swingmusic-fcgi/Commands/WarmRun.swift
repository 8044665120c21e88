import Caching
import Catalog
import Foundation
import Glibc
import JSON
import Platform
import RateLimiting

/// One run of `warm`: what is there, what is queued, what is still to be queued. The workers of `serve` make the calls.
final class WarmRun {
    private let caches: Caches
    private let shelf: RecordStore
    private let rateLimiter: RateLimiter
    private let interval: Duration
    private var toQueue: [Resource]
    private var queued: [Resource] = []
    private var standingNow: WarmProgress
    private(set) var failures: [(resource: Resource, reason: String)] = []

    init(_ resources: [Resource], folder: DataFolder) throws {
        let settings = folder.settings
        caches = try folder.openCaches(withStore: false)
        shelf = RecordStore(caches: caches, temporaryTTL: settings.ttl.temp)
        rateLimiter = try RateLimiter(of: settings, log: .silent)
        interval = settings.minInterval
        toQueue = resources.reversed()
        standingNow = WarmProgress(asked: resources.count)
    }

    var standing: WarmProgress { standingNow }
    var isDone: Bool { toQueue.isEmpty && queued.isEmpty }

    func close() { caches.close() }

    /// Leaves out what is known and queues the first.
    func begin() throws {
        toQueue = try toQueue.filter { try !isKnown($0) }
        standingNow.already = standingNow.asked - toQueue.count - failures.count
        try step()
    }

    /// One look at what became of the queued, and more of the rest into the room that there is. A limiter that somebody else has locked
    /// for a while (a backup, a slow disk) is asked again: up to then nothing has changed.
    func step() throws {
        let clock = SystemClock()
        let end = clock.monotonic + Self.patience
        while true {
            do {
                return try look()
            } catch let error as RateLimiterError {
                guard case .file(.locked) = error, clock.monotonic < end else { throw error }
            }
        }
    }

    private static let patience = Duration.seconds(60)

    private func look() throws {
        let states = try rateLimiter.states(of: queued.map(\.name), estimating: false)
        var waiting: [Resource] = []
        for (resource, state) in zip(queued, states) {
            switch state {
            case .waiting, .leased: waiting.append(resource)
            case .failed(let reason, _): failures.append((resource, reason))
            // Not there and not waiting: somebody exchanged limiter.db under us.
            case .absent where try !isKnown(resource): toQueue.append(resource)
            case .absent: break
            }
        }
        queued = waiting
        try fill()
        try estimate()
    }

    /// In the database, or refused by Spotify within the last hour.
    private func isKnown(_ resource: Resource) throws -> Bool {
        switch try shelf.read(resource) {
        case .hit: return true
        case .denied(let denial, _, _):
            failures.append((resource, "Spotify answered \(denial.status)"))
            return true
        case .miss: return false
        }
    }

    private func fill() throws {
        while !toQueue.isEmpty {
            let batch = Array(toQueue.suffix(100).reversed())
            let asks = batch.map { Ask(key: $0.name, priority: .warming, client: "", attendedUntil: 0) }
            var refused: [Resource] = []
            for (resource, admission) in zip(batch, try rateLimiter.enqueue(asks)) {
                if case .queued = admission { queued.append(resource) } else { refused.append(resource) }
            }
            toQueue.removeLast(batch.count)
            toQueue += refused.reversed()
            if !refused.isEmpty { break }
        }
    }

    /// The limiter knows when the last that is queued has its turn; what has no place yet follows at the pace.
    private func estimate() throws {
        let status = try rateLimiter.status()
        standingNow.failed = failures.count
        standingNow.left = queued.count + toQueue.count
        standingNow.cooldownEndsAt = status.cooldown.map(\.endsAt)
        var wait = Duration.zero
        for state in try rateLimiter.states(of: queued.suffix(1).map(\.name)) {
            if case .waiting(_, let until) = state { wait = until }
        }
        let hourly = Duration.seconds(3600) / max(1, status.backgroundLimit)
        standingNow.secondsLeft = (wait + max(interval, hourly) * toQueue.count).wholeSeconds
    }
}

/// How far a run of `warm` is.
struct WarmProgress {
    /// Different things that were named.
    var asked: Int
    /// Of these, in the database before.
    var already = 0
    /// Spotify would not give them, or not now.
    var failed = 0
    /// Still queued or to be queued.
    var left = 0
    var secondsLeft: Int64 = 0
    /// Wall-clock milliseconds, while Spotify has told us to wait.
    var cooldownEndsAt: Int64?

    init(asked: Int) { self.asked = asked }

    /// Settled, one way or the other.
    var settled: Int { asked - left }
    var fetched: Int { settled - already - failed }

    /// How far, in words.
    var text: String {
        var parts = ["\(settled) of \(asked)"]
        if failed > 0 { parts.append("\(failed) failed") }
        if left > 0 { parts.append("about \(Output.length(secondsLeft)) left") }
        if let cooldownEndsAt { parts.append("Spotify told us to wait until \(Output.time(cooldownEndsAt))") }
        return parts.joined(separator: ", ")
    }

    var summary: String {
        "\(fetched) fetched, \(already) there before, \(failed) failed"
            + (left > 0 ? ", \(left) still to come (about \(Output.length(secondsLeft)))" : "")
    }

    func json(of list: WarmList) -> JSONValue {
        [
            "asked": .integer(asked), "already": .integer(already), "fetched": .integer(fetched), "failed": .integer(failed),
            "left": .integer(left), "secondsLeft": .integer(secondsLeft), "sources": .array(list.sources.map(\.json)),
            "skipped": .array(list.skipped.map(\.json)),
        ]
    }
}

/// A bar on a terminal; elsewhere a plain line now and then. On standard error, so that standard output is the result alone.
final class ProgressLine {
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var lastLine = ""
    private var nextPlainAt = MonotonicTime(nanoseconds: 0)

    func show(_ standing: WarmProgress) {
        isTerminal ? draw(standing) : tell(standing)
    }

    /// The cursor goes to the next line.
    func end() {
        if isTerminal, !lastLine.isEmpty { write("\n") }
    }

    private func draw(_ standing: WarmProgress) {
        let width = 24
        let full = standing.asked == 0 ? width : width * standing.settled / standing.asked
        let bar = String(repeating: "#", count: full) + String(repeating: ".", count: width - full)
        let line = "[\(bar)] \(standing.text)"
        guard line != lastLine else { return }
        lastLine = line
        write("\r\(String(line.prefix(columns - 1)))\u{1B}[K")
    }

    private func tell(_ standing: WarmProgress) {
        let now = SystemClock().monotonic
        guard now >= nextPlainAt || standing.left == 0, standing.text != lastLine else { return }
        nextPlainAt = now + .seconds(10)
        lastLine = standing.text
        write(standing.text + "\n")
    }

    private var columns: Int {
        var size = winsize()
        return ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 20 ? Int(size.ws_col) : 80
    }

    private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
