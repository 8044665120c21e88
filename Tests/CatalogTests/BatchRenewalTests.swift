import Caching
import Foundation
import Logging
import Platform
import RateLimiting
import Spotify
import Synchronization
import Testing

@testable import Catalog

/// Extended mode's Web API on a clock that jumps: each call is answered at once, and where nothing is to be done the clock goes on.
///
/// `@unchecked Sendable`: everything here is done by the one thread that runs the lookup loop.
private final class ExtendedSpotify: SpotifyCalls, @unchecked Sendable {
    private let clock: ManualClock
    private let most: Int
    private let stop: () -> Void
    private var begun: [() -> Void] = []
    /// The ids of each call.
    private(set) var calls: [[String]] = []

    init(_ clock: ManualClock, stopAfter most: Int, stop: @escaping () -> Void) {
        self.clock = clock
        self.most = most
        self.stop = stop
    }

    var active: Int { begun.count }

    func begin(gate: @escaping () -> Gate, sent: @escaping () -> Void, completion: @escaping (CallResult) -> Void) {
        begun.append { [self] in
            guard case .send(let target, _, _) = gate() else { return completion(.held) }
            sent()
            let ids = target.contains("ids=") ? target.split(separator: "=")[1].split(separator: ",") : [target.split(separator: "/")[2]]
            calls.append(ids.map(String.init))
            let tracks = ids.map { Self.track(String($0)) }
            let text = target.contains("ids=") ? "{\"tracks\":[\(tracks.joined(separator: ","))]}" : tracks[0]
            completion(.answer(SpotifyAnswer(status: 200, body: Array(text.utf8), elapsed: .milliseconds(150))))
            if calls.count == most { stop() }
        }
    }

    func requestToken(_ credentials: SpotifyCredentials, completion: @escaping (Result<AccessToken, SpotifyError>) -> Void) {
        begun.append { completion(.success(AccessToken(token: "token", expiresIn: .seconds(1_000_000)))) }
    }

    func poll(for longest: Duration, wake: EventFD?) {
        let calls = begun
        begun = []
        for call in calls { call() }
        if calls.isEmpty, wake?.take() != true { clock.advance(max(.milliseconds(1), longest)) }
    }

    /// Of an album of its own.
    static func track(_ id: String) -> String {
        #"{"id":"\#(id)","type":"track","name":"n","duration_ms":1,"popularity":1,"external_ids":{},"artists":[],"album":{"id":"a\#(id.dropFirst())"}}"#
    }
}

@Suite("Renewals in extended mode") struct BatchRenewalTests {
    private static let records = 12_000

    private static func id(_ number: Int) -> String { "t" + String(repeating: "0", count: 15) + String(format: "%06d", number) }

    @Test("At 200 calls measured, 400,000 records a day's half are renewed: calls are full, and there are always enough of them queued")
    func renewals() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("batches-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let clock = ManualClock(wall: 1_800_000_000_000)
        let caches = try Caches(CachesConfiguration(path: folder.path + "/cache.db", memoryLifetime: .zero), log: log, clock: clock)
        defer { caches.close() }
        let limiter = try FileRateLimiter(
            path: folder.path + "/limiter.db", rateLimit: RateLimit(), queueLimit: 1000, leaseLifetime: .seconds(15),
            batches: Resource.batches,
            clock: clock, log: log)
        try limiter.remember(AccountMode.fact, AccountMode.extended.rawValue, until: nil)
        let keys = try fill(caches, at: clock.wall.milliseconds)
        // Ten hours on all of them fall due within two.
        clock.advance(.seconds(10 * 3600))
        try caches.touch(try caches.numbers(of: keys), at: clock.wall.milliseconds)
        clock.advance(.seconds(3600))
        let inbox = try LookupInbox()
        let spotify = ExtendedSpotify(clock, stopAfter: 200) { inbox.stop() }
        let began = clock.monotonic
        LookupLoop(
            inbox: inbox, recordStore: RecordStore(caches: caches, temporaryTTL: .seconds(3600), clock: clock), rateLimiter: limiter,
            client: spotify,
            configuration: CatalogConfiguration(
                credentials: SpotifyCredentials(clientID: "id", clientSecret: "secret"), endpoints: SpotifyEndpoints(), market: nil,
                recordTTL: .seconds(43_200), temporaryTTL: .seconds(3600), worker: "test"),
            clock: clock, log: log
        ).run()
        let renewed = Set(spotify.calls.flatMap { $0 })
        #expect(renewed.count == spotify.calls.map(\.count).reduce(0, +), "none twice")
        let seconds = Double((clock.monotonic - began).wholeMilliseconds) / 1000
        // At 800 calls an hour, and no more than were made in this time.
        let callsInHalfADay = min(12 * 800, 200 / seconds * 43_200)
        let records = Double(renewed.count) / 200 * callsInHalfADay
        #expect(records >= 400_000, "\(renewed.count) records in 200 calls and \(seconds) s")
    }

    private func fill(_ caches: Caches, at instant: Int64) throws -> [[UInt8]] {
        let tracks = (0..<Self.records).map { Resource.object(.track, SpotifyID(Self.id($0))!, market: nil) }
        let entries = zip(tracks, (0..<Self.records).map(Self.id)).map { track, id in
            (track.cacheKey, Record(body: Array(ExtendedSpotify.track(id).utf8)).encoded, nil as Duration?)
        }
        for start in stride(from: 0, to: Self.records, by: 500) {
            _ = try caches.put(.spotify, Array(entries[start..<start + 500]))
        }
        let keys = tracks.map(\.cacheKey)
        try caches.touch(try caches.numbers(of: keys), at: instant)
        return keys
    }
}
