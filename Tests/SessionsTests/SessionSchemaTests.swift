import Foundation
import GRDB
import Platform
import Testing

@testable import Sessions

@Suite struct SessionSchemaTests {
    private let house: Household
    private let path: String

    init() throws {
        house = try Household()
        path = house.data + "/sessions.db"
    }

    private static let clocks = "DROP TABLE clock; ALTER TABLE token DROP COLUMN clockID; "

    private func value(_ sql: String) throws -> Int? {
        let queue = try DatabaseQueue(path: path)
        defer { try? queue.close() }
        return try queue.read { try Int.fetchOne($0, sql: sql) }
    }

    private func write(_ sql: String) throws {
        let queue = try DatabaseQueue(path: path)
        try queue.writeWithoutTransaction { try $0.execute(sql: sql) }
        try queue.close()
    }

    @Test(
        "a file of an earlier version becomes one of this version, and what was revoked stays revoked",
        // The first left no application_id, the first two no table of password changes, the first three not how the clock was set, and none of
        // them client keys.
        arguments: [
            (1, "DROP TABLE passwordChange; PRAGMA application_id = 0; \(Self.clocks)"), (2, "DROP TABLE passwordChange; \(Self.clocks)"),
            (3, Self.clocks),
            (4, ""),
        ])
    func first(version: Int, dropped: String) throws {
        let old = house.worker()
        let ended = try old.tokens(of: "bob")
        let open = try old.tokens(of: "bob")
        #expect(old.logout(.bearer(ended.access)).status == 200)
        try write("DROP TABLE clientToken; DROP TABLE clientKey; \(dropped)PRAGMA user_version = \(version)")
        let next = house.worker()
        #expect(next.user(.bearer(open.access)).status == 200)
        #expect(next.user(.bearer(ended.access)).status == 401)
        #expect(try value("PRAGMA user_version") == SessionSchema.steps.version)
        #expect(try value("PRAGMA application_id") == Int(SessionSchema.applicationID))
        // Those that had it open before go on.
        #expect(old.logout(.bearer(open.access)).status == 200)
        #expect(next.user(.bearer(open.access)).status == 401)
    }

    @Test("the first step makes what the first version made, and a program that knows no more refuses this version's")
    func older() throws {
        let queue = try DatabaseQueue(path: path)
        let (first, all) = (SessionSchema.steps.through(1), SessionSchema.steps)
        #expect(try queue.write { try first.migrate($0) } == 0)
        #expect(try queue.read { try Int.fetchOne($0, sql: "PRAGMA user_version") } == 1)
        #expect(try queue.write { try all.migrate($0) } == 1)
        let newer = DatabaseFault.newerSchema(found: all.version, known: 1)
        #expect(throws: newer) { try queue.write { try first.migrate($0) } }
        let reason = "it has schema \(all.version), this release knows 1: a newer release has written it"
        #expect(SessionDatabaseError(newer) == .cannotOpen(reason))
    }

    @Test("a newer version's file is refused and left alone, and nobody is let in")
    func newer() throws {
        let worker = house.worker()
        let tokens = try worker.tokens(of: "bob")
        worker.close()
        try write("PRAGMA user_version = 99")
        #expect(house.worker().user(.bearer(tokens.access)).status == 503)
        #expect(try value("PRAGMA user_version") == 99)
    }

    @Test(
        "another program's database is refused and left alone", arguments: ["CREATE TABLE songs (name TEXT)", "PRAGMA application_id = 7"])
    func foreign(sql: String) throws {
        try write(sql)
        #expect(house.worker().user(.bearer(try house.foreignToken(user: 2))).status == 503)
        #expect(try value("SELECT count(*) FROM sqlite_schema WHERE name = 'token'") == 0)
    }
}
