import Foundation
import GRDB
import Glibc
import Testing

@testable import Platform
@testable import Sessions

/// What is remembered of a token holds for as long as nobody has committed, whoever has `sessions.db` to himself, and not a moment longer.
@Suite("Who is known needs nothing of a file that is held") struct KnownTokenTests {
    let house: Household
    let worker: Sessions
    let other: Sessions
    private let known: String
    private var context: BlockingContext { BlockingContext() }

    init() throws {
        // Files are stamped by the clock of the host: nothing here is a second old, so no stamp counts.
        house = try Household(now: SystemClock().wall.milliseconds)
        (worker, other) = (house.worker(), house.worker())
        known = try other.tokens(of: "bob").access
        _ = try worker.database.stamp(context)
        #expect(worker.authenticate(.bearer(known)).user?.user.id == 2)
    }

    private var userWhileHeld: Int64? {
        get throws {
            var found: Int64?
            try house.withSessionsLocked(.exclusive) { found = worker.authenticate(.bearer(known)).user?.user.id }
            return found
        }
    }

    @Test("the file was written a moment ago, and the token was looked at since")
    func momentAgo() throws {
        #expect(try userWhileHeld == 2)
    }

    @Test("another worker signed somebody in: what is known is asked anew, and then holds")
    func reviewed() throws {
        let before = try worker.reviewer.review(since: nil, context)
        _ = try other.tokens(of: "carol")
        #expect(try userWhileHeld == nil)
        let after = try worker.reviewer.review(since: before, context)
        #expect(after != before)
        #expect(try worker.reviewer.review(since: after, context) == after)
        #expect(try userWhileHeld == 2)
    }

    @Test("an open worker asks anew by itself")
    func watching() throws {
        worker.open(context)
        defer { worker.close() }
        for name in ["carol", "admin", "carol"] {
            _ = try other.tokens(of: name)
            var found: Int64?
            for _ in 0..<40 where found == nil {
                usleep(50_000)
                found = try userWhileHeld
            }
            #expect(found == 2)
        }
    }

    @Test("a session that was ended elsewhere is let in no more, held or not, asked anew or not", arguments: [false, true])
    func ended(isReviewed: Bool) throws {
        let session = try #require(worker.authenticate(.bearer(known)).user?.sessionID)
        #expect(try other.database.write(context) { try $0.end(session: session, now: house.now) })
        if isReviewed { _ = try worker.reviewer.review(since: nil, context) }
        #expect(try userWhileHeld == nil)
        guard case .refused(.revoked) = worker.authenticate(.bearer(known)) else { return #expect(Bool(false)) }
        #expect(try userWhileHeld == nil)
    }

    @Test("a write that is under way or came to nothing changes nothing; one that was committed does")
    func version() throws {
        let path = house.data + "/sessions.db"
        let file = try #require(FileIdentity(path: path))
        let reader = try DatabaseQueue(path: path)
        func version() -> FileVersion? { reader.inDatabase { FileVersion($0, of: file) } }
        let first = try #require(version())
        try house.withSessionsLocked(.exclusive) { #expect(version() == first) }
        let writer = try DatabaseQueue(path: path)
        try writer.inDatabase { db in
            try db.inTransaction(.exclusive) {
                try db.execute(sql: "UPDATE session SET beganAt = beganAt + 1")
                #expect(version() == first)
                return .rollback
            }
        }
        #expect(version() == first)
        try writer.inDatabase { try $0.execute(sql: "UPDATE session SET beganAt = beganAt + 1") }
        let second = try #require(version())
        #expect(second != first)
        try reader.close()
        // Commits of another journal are not counted there.
        _ = try writer.inDatabase { try String.fetchOne($0, sql: "PRAGMA journal_mode = wal") }
        #expect(writer.inDatabase { FileVersion($0, of: file) } == nil)
    }

    @Test("the token of a client key that was looked at holds as well, and one of a revoked key does not")
    func clients() throws {
        let key = try other.addClientKey(named: "kitchen", context)
        guard case .token(let text, _) = other.grantToken(id: key.id, secret: key.secret, address: "192.0.2.1", context) else {
            return #expect(Bool(false))
        }
        let caller = Caller(authorization: ["Bearer \(text)"], address: "192.0.2.1")
        func isLetInWhileHeld() throws -> Bool {
            var answer: Authentication?
            try house.withSessionsLocked(.exclusive) { answer = worker.authenticateReader(caller) }
            if case .authenticated(.client(1)) = answer { return true }
            return false
        }
        #expect(try !isLetInWhileHeld())
        guard case .authenticated(.client(1)) = worker.authenticateReader(caller) else { return #expect(Bool(false)) }
        #expect(try isLetInWhileHeld())
        _ = try other.tokens(of: "carol")
        #expect(try !isLetInWhileHeld())
        _ = try worker.reviewer.review(since: nil, context)
        #expect(try isLetInWhileHeld())
        #expect(try other.revokeClientKey(named: "kitchen", context))
        #expect(try !isLetInWhileHeld())
        _ = try worker.reviewer.review(since: nil, context)
        #expect(try !isLetInWhileHeld())
        guard case .refused(.endedClientToken) = worker.authenticateReader(caller) else { return #expect(Bool(false)) }
    }
}
