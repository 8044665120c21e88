import Foundation
import GRDB
import Testing

@testable import Caching

/// That a file takes the steps it lacks is shown with one that is yet to come.
@Suite struct CacheSchemaTests {
    private let known = CacheSchema.steps.version
    private let next = CacheSchema.steps.through(
        CacheSchema.steps.version,
        then: [{ try $0.execute(sql: "ALTER TABLE entries ADD COLUMN note TEXT; CREATE TABLE later (x INTEGER)") }])

    @Test("a file of the schema before takes the missing steps and keeps what it holds, and workers that have it open go on")
    func upgrade() throws {
        let old = try Bench()
        try old.caches.put(.temp, Array("k".utf8), Array("v".utf8))
        let queue = try DatabaseQueue(path: old.folder.file("cache.db"))
        #expect(try queue.writeWithoutTransaction { try next.migrate($0) } == known)
        #expect(try queue.read { try Int.fetchOne($0, sql: "PRAGMA user_version") } == next.version)
        #expect(try queue.writeWithoutTransaction { try next.migrate($0) } == next.version)
        #expect(try old.caches.get(.temp, Array("k".utf8))?.entry.value == Array("v".utf8))
        try old.caches.put(.temp, Array("k".utf8), Array("w".utf8))
        #expect(try old.caches.get(.temp, Array("k".utf8))?.entry.value == Array("w".utf8))
        // What is started now and knows only the steps before refuses it.
        #expect(throws: CacheError.newerSchema(found: next.version, known: known)) { _ = try old.another() }
    }

    @Test("when a step fails the file stays as it was")
    func failure() throws {
        let old = try Bench()
        let queue = try DatabaseQueue(path: old.folder.file("cache.db"))
        let broken = next.through(next.version, then: [{ try $0.execute(sql: "ALTER TABLE nowhere ADD COLUMN x") }])
        #expect(throws: DatabaseError.self) { try queue.writeWithoutTransaction { try broken.migrate($0) } }
        #expect(try queue.read { try Int.fetchOne($0, sql: "PRAGMA user_version") } == known)
        #expect(try queue.read { try $0.tableExists("later") } == false)
    }

    @Test("of many that start at once on a new version one takes the steps")
    func race() throws {
        let old = try Bench()
        let path = old.folder.file("cache.db")
        let steps = next
        DispatchQueue.concurrentPerform(iterations: 6) { _ in
            var configuration = Configuration()
            configuration.busyMode = .timeout(10)
            let found = try? DatabaseQueue(path: path, configuration: configuration).writeWithoutTransaction {
                try steps.migrate($0)
            }
            #expect(found != nil)
        }
    }
}
