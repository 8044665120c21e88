import CSystem
import Caching
import Foundation
import JSON
import Logging
import Platform
import Spotify
import RateLimiting

@testable import Catalog

/// A catalog over real files in a folder of its own; nothing is ever looked up, as there are no credentials.
final class House {
    let folder: URL
    let caches: Caches
    let rateLimiter: FileRateLimiter
    let catalog: Catalog
    let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init(clock: any HostClock = SystemClock()) throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("catalog-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        caches = try Caches(CachesConfiguration(path: folder.path + "/cache.db", memoryLifetime: .zero), log: log)
        rateLimiter = try FileRateLimiter(
            path: folder.path + "/limiter.db", rateLimit: RateLimit(interval: .seconds(2), callsPerWindow: 1000), queueLimit: 100,
            leaseLifetime: .seconds(15), batches: Resource.batches, log: log)
        catalog = try Catalog(
            caches: caches, rateLimiter: rateLimiter,
            configuration: CatalogConfiguration(
                credentials: nil, endpoints: SpotifyEndpoints(), market: nil, recordTTL: .seconds(43_200), temporaryTTL: .seconds(3600),
                worker: "test"),
            clock: clock, log: log)
    }

    deinit {
        catalog.stop()
        caches.close()
        try? FileManager.default.removeItem(at: folder)
    }

    var recordStore: RecordStore { catalog.records.recordStore }

    /// The lookup thread's loop over these files, by another clock.
    func lookupLoop(_ clock: any HostClock) throws -> LookupLoop {
        try LookupLoop(
            inbox: LookupInbox(), recordStore: recordStore, rateLimiter: rateLimiter,
            client: SpotifyClient(endpoints: SpotifyEndpoints(), log: log),
            configuration: CatalogConfiguration(
                credentials: SpotifyCredentials(clientID: "id", clientSecret: "secret"), endpoints: SpotifyEndpoints(), market: nil,
                recordTTL: .seconds(43_200), temporaryTTL: .seconds(3600), worker: "test"),
            clock: clock, log: log)
    }

    /// Spotify answered so.
    func learn(_ resource: Resource, _ json: String) throws {
        guard let parsed = ParsedAnswer(resource, Array(json.utf8)) else { throw Unreadable() }
        try recordStore.store(parsed)
    }

    func refuse(_ resource: Resource, _ status: Int) throws {
        try recordStore.store(NegativeEntry(status: status, message: "no"), for: resource)
    }

    /// A caller has asked for it, now and `twice` a day ago.
    func used(_ resource: Resource, twice: Bool = true) throws {
        let number = try caches.numbers(of: [resource.cacheKey])
        if twice { try caches.touch(number, at: csys_wall_ms() - 86_400_000) }
        try caches.touch(number, at: csys_wall_ms())
    }

    func answer(_ question: any Question, base: String = "http://one", filled: Bool = false, isLast: Bool = false) throws -> QueryResult {
        try catalog.answer(question, base: LinkBase(base), filled: filled, isLast: isLast)
    }

    func composed(_ question: any Question, base: String = "http://one", filled: Bool = false, isLast: Bool = false) throws -> Composed {
        guard case .complete(let composed) = try answer(question, base: base, filled: filled, isLast: isLast) else { throw Unreadable() }
        return composed
    }

    struct Unreadable: Error {}
}

extension Composed {
    var text: String { String(decoding: body, as: UTF8.self) }
    func parsed() throws -> JSONNode { try JSONDocument(body).root }
}

/// Objects as development mode answers them; ids are a digit repeated.
enum Sample {
    static func id(_ digit: Int) -> SpotifyID { SpotifyID(String(repeating: Character("\(digit % 10)"), count: 22))! }

    static func artist(_ digit: Int, genres: String = "") -> String {
        #"{"id":"\#(id(digit).text)","type":"artist","name":"Artist \#(digit)","genres":[\#(genres)],"images":[]}"#
    }

    static func artistLink(_ digit: Int) -> String { #"{"id":"\#(id(digit).text)","type":"artist","name":"Artist \#(digit)"}"# }

    static func track(_ digit: Int, by artist: Int, more: String = "") -> String {
        #"{"id":"\#(id(digit).text)","type":"track","name":"Track \#(digit)","duration_ms":1,"external_ids":{},"artists":[\#(artistLink(artist))],"album":{"id":"\#(id(9).text)","type":"album","images":[]}\#(more)}"#
    }

    static func page(_ items: [String], total: Int, offset: Int = 0) -> String {
        #"{"href":"https://api.spotify.com/v1/albums/x/tracks?offset=\#(offset)&limit=50","items":[\#(items.joined(separator: ","))],"limit":50,"next":null,"offset":\#(offset),"previous":null,"total":\#(total)}"#
    }

    static func simpleTrack(_ number: Int) -> String {
        #"{"id":"\#(String(repeating: "t", count: 18) + String(format: "%04d", number))","type":"track","name":"\#(number)","artists":[]}"#
    }

    static func album(_ digit: Int, tracks: Range<Int>, total: Int) -> String {
        #"{"id":"\#(id(digit).text)","type":"album","name":"Album","href":"https://api.spotify.com/v1/albums/x","images":[],"tracks":\#(page(tracks.map(simpleTrack), total: total))}"#
    }

    static func playlist(_ digit: Int, items: String?) -> String {
        let part = items.map { #","items":\#($0)"# } ?? ""
        return #"{"id":"\#(id(digit).text)","type":"playlist","name":"List","owner":{"id":"o"}\#(part)}"#
    }
}
