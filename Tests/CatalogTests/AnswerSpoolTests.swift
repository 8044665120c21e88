import CSystem
import Caching
import Foundation
import GRDB
import JSON
import Logging
import Platform
import Testing

@testable import Catalog

/// Answers that `cache.db` cannot take are served from memory, by every worker, and reach it when it can.
@Suite struct AnswerSpoolTests {
    let folder: URL
    let memory: URL
    let caches: Caches
    let clock = ManualClock(wall: csys_wall_ms())
    let track = Resource.object(.track, Sample.id(1), market: nil)

    init() throws {
        let root = FileManager.default.temporaryDirectory.appendingPathComponent("spool-\(UUID().uuidString)")
        (folder, memory) = (root.appendingPathComponent("data"), root.appendingPathComponent("memory"))
        for one in [folder, memory] { try FileManager.default.createDirectory(at: one, withIntermediateDirectories: true) }
        caches = try Caches(
            CachesConfiguration(path: folder.path + "/cache.db", memoryLifetime: .zero),
            log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func spool(mostBytes: UInt64 = 96 << 20) throws -> AnswerSpool {
        try #require(AnswerSpool(of: folder.path, in: memory.path, mostBytes: mostBytes))
    }

    /// As another worker has it.
    private func store(_ spool: AnswerSpool? = nil) throws -> RecordStore {
        RecordStore(caches: caches, temporaryTTL: .seconds(3600), spool: try spool ?? self.spool(), clock: clock)
    }

    private func learn(_ store: RecordStore, _ resource: Resource, _ json: String) throws {
        try store.store(try #require(ParsedAnswer(resource, Array(json.utf8))))
    }

    private func name(_ store: RecordStore, _ resource: Resource) throws -> String? {
        guard case .hit(let served) = try store.read(resource) else { return nil }
        return try JSONDocument(Array(served.record.body)).root["name"]?.string
    }

    /// While another program holds `cache.db`.
    private func locked<Result>(_ body: () throws -> Result) throws -> Result {
        let other = try DatabaseQueue(path: folder.path + "/cache.db")
        return try other.inDatabase { db in
            try db.execute(sql: "BEGIN IMMEDIATE")
            defer { try? db.execute(sql: "ROLLBACK") }
            return try body()
        }
    }

    private var isEmpty: Bool { (try? FileManager.default.contentsOfDirectory(atPath: memory.path))?.isEmpty ?? false }

    @Test("What cannot be stored is served all the same, by workers that were there and by those that start, and is stored when it can be")
    func served() throws {
        let (one, other) = (try store(), try store())
        try locked { try learn(one, track, Sample.track(1, by: 2)) }
        #expect(try name(one, track) == "Track 1")
        other.spool?.refresh()
        #expect(try name(other, track) == "Track 1")
        #expect(try name(store(), track) == "Track 1", "a worker that starts")
        #expect(try caches.get(.spotify, track.cacheKey) == nil && !isEmpty)
        #expect(try other.drainSpool() == 1)
        let row = try #require(try caches.get(.spotify, track.cacheKey))
        #expect(abs(row.entry.storedAt - clock.wall.milliseconds) < 5000 && row.entry.expiresAt - row.entry.storedAt > 3_600_000)
        #expect(isEmpty, "the folder goes with the last")
        #expect(try name(other, track) == "Track 1" && other.drainSpool() == 0)
    }

    @Test("What has waited for cache.db is as much older")
    func age() throws {
        let store = RecordStore(caches: caches, temporaryTTL: .seconds(3600), spool: try spool())
        let answer = try #require(ParsedAnswer(track, Array(Sample.track(1, by: 2).utf8)))
        let before = csys_wall_ms()
        _ = try locked { try store.store(answer, age: .seconds(7)) }
        #expect(csys_wall_ms() - before > 900, "it was waited for")
        #expect(try store.drainSpool() == 1)
        let entry = try #require(try caches.get(.spotify, track.cacheKey)).entry
        #expect(abs(entry.storedAt - (before - 7000)) < 300)
        #expect(entry.expiresAt - entry.storedAt == 12 * 3_600_000)
    }

    @Test("Refusals, closed endpoints and searches are answers, too")
    func others() throws {
        let store = try store()
        let (gone, closed) = (Resource.object(.track, Sample.id(3), market: nil), Resource.topTracks(Sample.id(4), market: nil))
        let search = Resource.search(try #require(SearchTerm("x")), kinds: [.track], offset: 0, market: nil)
        try locked {
            try store.store(NegativeEntry(status: 404, message: "no"), for: gone)
            try store.store(NegativeEntry(status: 403, message: "no"), for: closed)
            try learn(store, search, #"{"tracks":{"items":[],"total":0}}"#)
        }
        for _ in 0..<2 {
            guard case .denied(let denial, _, _) = try store.read(gone), case .denied = try store.read(closed),
                case .hit(let found) = try store.read(search)
            else { throw House.Unreadable() }
            #expect(denial.status == 404 && found.freshness == .fresh)
            #expect(try store.isClosed(.topTracks))
            _ = try store.drainSpool()
        }
        #expect(isEmpty)
    }

    @Test("What is due gives way to what waits in memory, and that to a newer row")
    func newest() throws {
        let store = try store()
        try learn(store, track, Sample.track(1, by: 2))
        try caches.delete(.spotify, track.cacheKey)  // due now
        clock.advance(.seconds(10))
        let renewed = Sample.track(1, by: 2).replacingOccurrences(of: "Track 1", with: "Renewed")
        try locked { try learn(store, track, renewed) }
        #expect(try name(store, track) == "Renewed")
        clock.advance(.seconds(-20))
        let spool = try #require(store.spool)
        let stored = try #require(spool.oldest(1).first)
        try spool.put([
            .init(
                cache: .spotify, key: track.cacheKey,
                entry: Entry(value: stored.item.entry.value, version: 0, storedAt: 1000, expiresAt: 2000))
        ])
        spool.remove([stored])
        #expect(spool.oldest(9).count == 1, "what came since under the same key stays")
        _ = try store.drainSpool()
        #expect(try name(store, track) == "Track 1", "never over a newer row")
    }

    @Test("When it can be kept nowhere that is known before a call is made")
    func nowhere() throws {
        let full = try store(try spool(mostBytes: AnswerSpool.roomForAnswer + 100))
        #expect(full.refusalToKeep() == nil, "nothing lies there, and cache.db can be written")
        try locked {
            #expect(full.refusalToKeep() == nil)
            try learn(full, track, Sample.track(1, by: 2))
            #expect(full.refusalToKeep()?.contains("is full") == true)
        }
        let identity = try #require(FileIdentity(path: folder.path))
        let foreign = memory.appendingPathComponent(
            "swingmusic-fcgi-\(String(identity.device, radix: 16))-\(String(identity.inode, radix: 16))")
        _ = try full.drainSpool()
        try FileManager.default.createDirectory(at: foreign, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o777])
        let store = try store()
        #expect(store.refusalToKeep() == nil)
        try locked {
            #expect(store.refusalToKeep() != nil)
            #expect(throws: CacheError.self) { try learn(store, track, Sample.track(1, by: 2)) }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: foreign.path).isEmpty, "what others may write is not used")
    }

    @Test("What is no answer of ours in there is passed over")
    func odd() throws {
        let store = try store()
        try locked { try learn(store, track, Sample.track(1, by: 2)) }
        let inside = memory.appendingPathComponent(try FileManager.default.contentsOfDirectory(atPath: memory.path)[0])
        for (name, text) in [("a", ""), ("b", "swspool1 spotify x 1 00\n"), ("c", "swspool1 nonsense 1 1 00\nv"), ("d", "nonsense\n")] {
            try Data(text.utf8).write(to: inside.appendingPathComponent(name))
        }
        #expect(try store.drainSpool() == 1)
        #expect(isEmpty)
    }
}
