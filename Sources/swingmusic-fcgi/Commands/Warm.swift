import ArgumentParser
import Caching
import Catalog
import Foundation
import Gateway
import Glibc
import JSON
import Platform
import RateLimiting
import Spotify

/// `swingmusic-fcgi warm`: has things fetched before anybody asks for them.
struct Warm: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Have tracks, albums, artists and playlists fetched ahead, at the lowest priority.",
        discussion: """
            Reads Spotify links, URIs or bare IDs: a plain list, where a line may name several and one that begins with # is a comment, \
            or a table with a column of them, such as Exportify, Soundiiz and TuneMyMusic write. Every line is accounted for: one that \
            names nothing is named with its number and the reason.

            What is in the database already is left out; the rest is queued behind everything that somebody waits for, and the \
            running 'serve' fetches it at its pace (1000 calls an hour at most, of which a fifth is kept for callers). It can be \
            stopped at any time (Ctrl-C) and run again: nothing is fetched twice, and what is queued stays queued. The tracks of an album are \
            searched for together, ten a call, where the list names the album, too; with --no-wait 'serve' does that, as far as the \
            queue has room for albums and tracks. Exits 0 when everything \
            is there, 1 when a line was skipped or something could not be had, 130 when it was stopped.

            EXAMPLES
              sudo swingmusic-fcgi warm favourites.csv
              echo spotify:album:7xkqTz2y4BFAaeKiPqYpJM | sudo swingmusic-fcgi warm
              sudo swingmusic-fcgi warm --kind album --no-wait ids.txt
            """)

    @Argument(help: "Files to read; none, or '-', for standard input.")
    var files: [String] = []

    @Option(help: "What a bare ID is of: track, album, artist or playlist.")
    var kind: ObjectKind = .track

    @Flag(help: "Only queue what there is room for, and end without waiting for it.")
    var noWait = false

    @Flag(help: "Print one JSON object at the end.")
    var json = false

    @OptionGroup var environment: EnvironmentOptions

    func run() throws {
        let folder = try DataFolder(environment)
        guard folder.settings.hasCredentials else { throw WarmError.noCredentials }
        let list = try WarmList(files: files, bareKind: kind)
        tell(of: list)
        guard !list.resources.isEmpty else { throw WarmError.nothingNamed }
        // Not before standard input is read: up to here Ctrl-C simply ends.
        let interruption = Interrupt()
        let round = try WarmRun(list, folder: folder, isPlanned: !noWait)
        defer { round.close() }
        let progress = ProgressLine()
        try round.begin()
        tellWhetherServed(folder.settings)
        var isStopped = false
        while !noWait, !round.isDone, !isStopped {
            progress.show(round.standing)
            isStopped = interruption.comes(within: .milliseconds(300))
            if !isStopped { try round.step() }
        }
        progress.show(round.standing)
        progress.end()
        if isStopped { Output.complain(round.standing.leftBehind) }
        try conclude(round, list, isStopped: isStopped)
    }

    private func tell(of list: WarmList) {
        for source in list.sources { Output.complain(source.text) }
        for line in list.skipped.prefix(Self.mostNamed) { Output.complain(line.text) }
        if list.skipped.count > Self.mostNamed {
            Output.complain("... and \(list.skipped.count - Self.mostNamed) more lines were skipped; --json names all")
        }
    }

    private static let mostNamed = 20

    private func tellWhetherServed(_ settings: Settings) {
        let address = settings.listen.asked
        guard (try? HealthProbe.ask(address)) == nil else { return }
        Output.complain("no 'serve' answers at \(address): the lookups wait in the queue until one runs on this data folder")
    }

    private func conclude(_ round: WarmRun, _ list: WarmList, isStopped: Bool) throws {
        for (resource, reason) in round.failures.prefix(Self.mostNamed) { Output.complain("\(resource.name): \(reason)") }
        if round.failures.count > Self.mostNamed { Output.complain("... and \(round.failures.count - Self.mostNamed) more") }
        if json {
            Output.json(round.standing.json(of: list))
        } else {
            print(round.standing.summary + (list.skipped.isEmpty ? "" : ", \(list.skipped.count) skipped"))
        }
        if isStopped { throw ExitStatus.interrupted }
        if !round.failures.isEmpty || !list.skipped.isEmpty { throw ExitCode.failure }
    }
}

extension ObjectKind: ExpressibleByArgument {}

/// Why `warm` cannot begin.
private enum WarmError: Error, CustomStringConvertible {
    case noCredentials
    case nothingNamed

    var description: String {
        switch self {
        case .noCredentials:
            "SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET are not set: nothing can be fetched; set them for 'serve' and start it anew"
        case .nothingNamed: "there is no link, URI or ID in what was read"
        }
    }
}

/// One run of `warm`: what is there, what is queued, what is still to be queued. The workers of `serve` make the calls.
private final class WarmRun {
    private let caches: Caches
    private let shelf: RecordStore
    private let rateLimiter: any RateLimiter
    private let interval: Duration
    private let isPlanned: Bool
    private let albums: [Resource: Int]
    private var plan: WarmPlan
    /// In reverse.
    private var toQueue: [Resource]
    private var queued: [Resource] = []
    /// What has become known without a call of its own since the last look.
    private var settled: [Resource] = []
    private var standingNow: WarmProgress
    private(set) var failures: [(resource: Resource, reason: String)] = []

    /// - Parameter isPlanned: somebody stays who queues what follows from what has come.
    init(_ list: WarmList, folder: DataFolder, isPlanned: Bool) throws {
        let settings = folder.settings
        caches = try folder.openCaches(withStore: false)
        shelf = RecordStore(caches: caches, temporaryTTL: settings.ttl.temp)
        rateLimiter = try FileRateLimiter(of: settings, log: .silent)
        interval = settings.minInterval
        self.isPlanned = isPlanned
        albums = list.albums
        plan = WarmPlan([], records: shelf)
        toQueue = list.resources.reversed()
        standingNow = WarmProgress(asked: list.resources.count)
    }

    var standing: WarmProgress { standingNow }
    var isDone: Bool { toQueue.isEmpty && queued.isEmpty && settled.isEmpty }

    func close() { caches.close() }

    /// Leaves out what is known, plans the rest, and queues the first.
    func begin() throws {
        let unknown = try toQueue.reversed().filter { try !isKnown($0) }
        standingNow.already = standingNow.asked - unknown.count - failures.count
        plan = WarmPlan(unknown, albums: albums, records: shelf, batchSize: try batchSizes())
        let first = try plan.begin()
        // Where nobody stays to say what follows, the tracks are queued at once, behind what may spare them their calls.
        toQueue = (isPlanned ? first : first + plan.openTracks.filter(Set(unknown).subtracting(first).contains)).reversed()
        Output.complain(try announcement(unknown.count))
        try step()
    }

    /// How many of a kind one call asks for, as things stand.
    private func batchSizes() throws -> (ObjectKind) -> Int {
        let sizes = try ObjectKind.allCases.map { ($0, try rateLimiter.batchSize(of: "\($0.rawValue)/")) }
        let known = Dictionary(uniqueKeysWithValues: sizes)
        return { known[$0] ?? 1 }
    }

    /// What is about to be done.
    private func announcement(_ items: Int) throws -> String {
        let calls = plan.estimatedCalls
        guard calls > 0 else { return "\(items) items, no calls" }
        let end = SystemClock().wall + pace(try rateLimiter.status()) * calls
        return "\(items) items, about \(calls) calls, done at about \(Output.minute(end))"
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
            case .failed(let reason, _):
                note(resource, reason)
                settled.append(resource)
            // Not there and not waiting: somebody exchanged limiter.db under us.
            case .absent where try !isKnown(resource): toQueue.append(resource)
            case .absent: settled.append(resource)
            }
        }
        queued = waiting
        let next = try plan.settled(settled)
        settled = []
        toQueue += isPlanned ? next.reversed() : []
        try fill()
        try estimate()
    }

    /// In the database, or refused by Spotify within the last hour.
    private func isKnown(_ resource: Resource) throws -> Bool {
        switch try shelf.read(resource) {
        case .hit: return true
        case .denied(let denial, _, _):
            note(resource, "Spotify answered \(denial.status)")
            return true
        case .miss: return false
        }
    }

    /// Of a search, which nobody has asked for, nothing is said.
    private func note(_ resource: Resource, _ reason: String) {
        if case .object = resource { failures.append((resource, reason)) }
    }

    private func fill() throws {
        while !toQueue.isEmpty {
            let next = Array(toQueue.suffix(100).reversed())
            toQueue.removeLast(next.count)
            // What came with something else meanwhile.
            let batch = try next.filter { try !isKnown($0) }
            settled += Set(next).subtracting(batch)
            let asks = batch.map { Ask(key: $0.name, priority: .warming, client: "", attendedUntil: 0) }
            var refused: [Resource] = []
            for (resource, admission) in zip(batch, try rateLimiter.enqueue(asks)) {
                if case .queued = admission { queued.append(resource) } else { refused.append(resource) }
            }
            toQueue += refused.reversed()
            if !refused.isEmpty { break }
        }
    }

    /// The limiter knows when the last that is queued has its turn; what has no place yet follows at the pace.
    private func estimate() throws {
        let status = try rateLimiter.status()
        standingNow.failed = failures.count
        standingNow.left = plan.left
        standingNow.queued = queued.count
        standingNow.cooldownEndsAt = status.cooldown.map(\.endsAt)
        var wait = Duration.zero
        for state in try rateLimiter.states(of: queued.suffix(1).map(\.name)) {
            if case .waiting(_, let until) = state { wait = until }
        }
        let more = isPlanned ? max(toQueue.count, plan.estimatedCalls - queued.count) : toQueue.count
        standingNow.secondsLeft = (wait + pace(status) * more).wholeSeconds
    }

    /// From one call to the next, in the long run.
    private func pace(_ status: RateLimiterStatus) -> Duration {
        max(interval, Duration.seconds(3600) / max(1, status.backgroundLimit))
    }
}

/// How far a run of `warm` is.
private struct WarmProgress {
    /// Different things that were named.
    var asked: Int
    /// Of these, in the database before.
    var already = 0
    /// Spotify would not give them, or not now.
    var failed = 0
    /// Still queued or to be queued.
    var left = 0
    /// Of these, in the queue.
    var queued = 0
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

    /// What a run that was stopped leaves.
    var leftBehind: String {
        let rest = left - queued
        return "stopped: \(queued) stay\(queued == 1 ? "s" : "") queued, and the running 'serve' fetches them"
            + (rest > 0 ? "; \(rest) had no room in the queue yet: run the command again for them" : "")
    }

    var summary: String {
        "\(fetched) fetched, \(already) there before, \(failed) failed"
            + (left > 0 ? ", \(left) still to come (about \(Output.length(secondsLeft)))" : "")
    }

    func json(of list: WarmList) -> JSONValue {
        [
            "asked": .integer(asked), "already": .integer(already), "fetched": .integer(fetched), "failed": .integer(failed),
            "left": .integer(left), "queued": .integer(queued), "secondsLeft": .integer(secondsLeft),
            "sources": .array(list.sources.map(\.json)),
            "skipped": .array(list.skipped.map(\.json)),
        ]
    }
}

/// A bar on a terminal; elsewhere a plain line now and then. On standard error, so that standard output is the result alone.
private final class ProgressLine {
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
        write("\r\(String(line.prefix(Terminal.size(of: STDERR_FILENO).columns - 1)))\u{1B}[K")
    }

    private func tell(_ standing: WarmProgress) {
        let now = SystemClock().monotonic
        guard now >= nextPlainAt || standing.left == 0, standing.text != lastLine else { return }
        nextPlainAt = now + .seconds(10)
        lastLine = standing.text
        write(standing.text + "\n")
    }

    private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
