import Caching
import Catalog
import Foundation
import Logging
import Platform
import RateLimiting
import Spotify

/// A household in simulated time (docs/household.md), for `scripts/benchmark --household`:
///
///     household API-URL CLIENT-ID CLIENT-SECRET DATA-FOLDER REQUESTS SECONDS LATENCY [LIBRARY]
///
/// REQUESTS has a line for each request, `instant listener path`, in order; LIBRARY a resource's name on each line, for `warm`. It writes a line
/// for each answer (`answer instant waited fresh|seconds-past-its-time`), each call (`call instant why status`), and the end of `warm`.
@main
struct Simulation {
    static func main() throws {
        let words = CommandLine.arguments
        guard words.count == 8 || words.count == 9, let seconds = Double(words[6]), let latency = Double(words[7]) else {
            throw Unusable(description: "seven or eight arguments are needed")
        }
        let spotify = SpotifyEndpoints(apiURL: words[1], accountsURL: words[1], timeout: .seconds(10))
        let simulation = try Simulation(
            folder: words[4], endpoints: spotify, credentials: SpotifyCredentials(clientID: words[2], clientSecret: words[3]),
            latency: .seconds(latency))
        let agenda = simulation.agenda
        let listeners = Listeners(simulation.catalog, agenda)
        for request in try lines(words[5]).compactMap(Request.init) { agenda.enter(at: request.at) { listeners.ask(request) } }
        if words.count == 9 {
            let warming = Warming(try lines(words[8]).compactMap { Resource(name: String($0)) }, simulation)
            agenda.enter(at: 60) { (try? warming.begin()) ?? warming.goOn() }
        }
        simulation.maintain()
        agenda.enter(at: seconds) { simulation.catalog.inbox.stop() }
        simulation.loop.run()
        fflush(nil)
        // Threads of the caches may be about something; nothing of it is needed any more.
        exit(listeners.failures == 0 ? 0 : 1)
    }

    let agenda: Agenda
    let catalog: Catalog
    let loop: LookupLoop
    let caches: Caches
    let rateLimiter: FileRateLimiter

    private init(folder: String, endpoints: SpotifyEndpoints, credentials: SpotifyCredentials, latency: Duration) throws {
        let log = Logger(label: "household") { _ in Complaints() }
        let clock = ManualClock()
        let agenda = Agenda(clock)
        // No memory: it is for the same again within seconds, and counts nothing as used.
        caches = try Caches(CachesConfiguration(path: folder + "/cache.db", memoryLifetime: .zero), log: log, clock: clock)
        rateLimiter = try FileRateLimiter(
            path: folder + "/limiter.db", rateLimit: RateLimit(), queueLimit: 1000, leaseLifetime: .seconds(15), batches: Resource.batches,
            clock: clock, log: log)
        var configuration = CatalogConfiguration(
            credentials: credentials, endpoints: endpoints, market: nil, recordTTL: .seconds(43_200), temporaryTTL: .seconds(3600),
            worker: "household")
        let client = SimulatedSpotify(try SpotifyClient(endpoints: endpoints, log: log), agenda, latency: latency)
        configuration.noteCall = { client.reason = $0 }
        var loop: LookupLoop?
        catalog = try Catalog(
            caches: caches, rateLimiter: rateLimiter, configuration: configuration, clock: clock, log: log, client: client,
            loop: { loop = $0 })
        guard let loop else { throw Unusable(description: "there is no loop") }
        self.agenda = agenda
        self.loop = loop
    }

    /// What `serve` does each second; here once a minute, and oftener where `cache.db`'s log has grown.
    func maintain() {
        try? caches.maintain()
        agenda.enter(at: agenda.now + 60) { maintain() }
    }

    private static func lines(_ path: String) throws -> [Substring] {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    }
}

/// Why there is nothing to simulate, or nothing more.
struct Unusable: Error, CustomStringConvertible {
    let description: String
}

/// Warnings and worse, to standard error.
private struct Complaints: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.warning

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(
        level: Logger.Level, message: Logger.Message, metadata: Logger.Metadata?, source: String, file: String, function: String, line: UInt
    ) {
        FileHandle.standardError.write(Data("\(level): \(message) \(metadata ?? [:])\n".utf8))
    }
}
