import Foundation
import GRDB
import Glibc
import Platform
import Synchronization
import Testing

@testable import Sessions

@Suite("What has to be written is not written on an event thread") struct PendingAuthenticationTests {
    let house: Household
    let worker: Sessions

    init() throws {
        house = try Household(now: SystemClock().wall.milliseconds)
        worker = house.worker()
        _ = worker.user(.bearer(try house.foreignToken(user: 1)))
    }

    private func pending(_ caller: Caller, renewal: RenewalDelivery = .withAnswer) throws -> PendingAuthentication {
        guard case .needsWrite(let pending) = worker.authenticate(caller, renewal: renewal) else { throw NothingToWait() }
        return pending
    }

    private struct NothingToWait: Error {}

    private func sessions(of user: Int64) throws -> Int { try worker.openSessions(of: user, current: nil).count }

    private var sessionsFile: String { house.data + "/sessions.db" }

    /// Makes the last write look old, so that answers may be remembered.
    private func age() {
        let past = timeval(tv_sec: Int(house.now / 1000) - 100, tv_usec: 0)
        _ = withUnsafePointer(to: (past, past)) { pair in
            pair.withMemoryRebound(to: timeval.self, capacity: 2) { utimes(sessionsFile, $0) }
        }
    }

    @Test("a token that is seen for the first time becomes a session when somebody settles it, and then is known at once")
    func newcomer() throws {
        let token = try house.foreignToken(user: 2)
        let first = try pending(.bearer(token))
        #expect(try sessions(of: 2) == 0)
        #expect(first.wait().user?.user.id == 2)
        #expect(try sessions(of: 2) == 1)
        #expect(worker.authenticate(.bearer(token)).user?.user.id == 2)
        guard case .refused(.unavailable) = first.fallback else { return #expect(Bool(false)) }
    }

    @Test("a user's row that changed ends the session when that is settled; a refusal that is known does not wait")
    func changed() throws {
        let access = try worker.tokens(of: "bob").access
        #expect(worker.authenticate(.bearer(access)).user != nil)
        try house.change("UPDATE user SET password = 'other' WHERE id = 2")
        guard case .refused(.revoked) = try pending(.bearer(access)).wait() else { return #expect(Bool(false)) }
        guard case .refused(.revoked) = worker.authenticate(.bearer(access)) else { return #expect(Bool(false)) }
        try house.change("DELETE FROM user WHERE id = 2")
        let gone = try pending(.bearer(access)).wait()
        #expect(gone.refusal(without: nil)?.message.hasPrefix("Error loading the user") == true)
        guard case .refused = worker.authenticate(.bearer(access)) else { return #expect(Bool(false)) }
    }

    @Test("a cookie that is due comes with the answer, or with a later one where nothing may wait, or not at all")
    func renewal() throws {
        func due() throws -> Caller {
            .cookie(try house.signed(#"{"sub":{"id":2,"n":\#(Int.random(in: 0...Int.max))},"exp":\#(house.now / 1000 + 86_400)}"#))
        }
        let (first, second) = (try due(), try due())
        for caller in [first, second] { #expect(worker.authenticated(caller, renewal: .never).user?.renewal == nil) }
        let waiting = try pending(first)
        #expect(waiting.fallback.user?.user.id == 2 && waiting.fallback.user?.renewal == nil)
        let cookie = try #require(waiting.wait().user?.renewal)
        #expect(worker.authenticate(first).user?.renewal == cookie)
        #expect(worker.authenticate(first, renewal: .never).user?.renewal == nil)
        let atOnce = try #require(worker.authenticate(second, renewal: .whenMade).user)
        #expect(atOnce.renewal == nil)
        var later: String?
        for _ in 0..<2000 where later == nil {
            usleep(1000)
            later = worker.authenticate(second, renewal: .whenMade).user?.renewal
        }
        #expect(later != nil && later != cookie)
    }

    @Test("one that was made for later waits an hour to be handed out, and one that was handed out goes after a minute")
    func kept() throws {
        let issuer = try house.issuer()
        let token = issuer.make(.access, subject: .object([]), second: 0, identifier: "x")
        let renewed = RenewedTokens()
        let (old, other) = (TokenHash(of: [1]), TokenHash(of: [2]))
        renewed.keep(.made(token), for: old, now: 0)
        renewed.keep(.made(token), for: other, now: 0)
        #expect(renewed.find(for: old, now: 3_599_999) != nil)
        #expect(renewed.find(for: old, now: 3_659_998) != nil)
        #expect(renewed.find(for: old, now: 3_660_000) == nil)
        #expect(renewed.find(for: other, now: 3_600_000) == nil)
        renewed.keep(.noRoom, for: other, now: 0)
        #expect(renewed.find(for: other, now: 59_999)?.cookie(for: Caller(), now: 0) == nil && renewed.find(for: other, now: 59_999) != nil)
        #expect(renewed.find(for: other, now: 60_000) == nil)
    }

    @Test("while another process has the file to itself who is known is let in at once, and the others as soon as it is free")
    func locked() throws {
        let known = try worker.tokens(of: "bob").access
        age()
        #expect(worker.authenticate(.bearer(known)).user != nil)
        let unknown = try (0..<24).map { _ in try house.foreignToken(user: 3) }
        let answers = Mutex<[Authentication]>([])
        try house.withSessionsLocked(.exclusive) {
            let start = SystemClock().monotonic
            for token in unknown { try pending(.bearer(token)).settle { answer in answers.withLock { $0.append(answer) } } }
            for _ in 0..<100 { #expect(worker.authenticate(.bearer(known)).user != nil) }
            // Nothing of that waited for the lock, which errands wait 250 ms for.
            #expect(SystemClock().monotonic - start < .milliseconds(250))
            usleep(600_000)
            #expect(answers.withLock { $0.isEmpty })
        }
        for _ in 0..<1000 where answers.withLock({ $0.count }) < 24 { usleep(1000) }
        #expect(answers.withLock { $0.compactMap(\.user).count } == 24)
        #expect(try sessions(of: 3) == 24)
    }

    @Test("a file that was written is asked again, and while it is locked somebody else waits for that")
    func written() throws {
        let known = try worker.tokens(of: "bob").access
        age()
        #expect(worker.authenticate(.bearer(known)).user != nil)
        // Not aged: what was remembered counts no more.
        _ = try worker.tokens(of: "carol")
        let answer = Mutex<Authentication?>(nil)
        try house.withSessionsLocked(.exclusive) {
            try pending(.bearer(known)).settle { found in answer.withLock { $0 = found } }
            usleep(300_000)
            #expect(answer.withLock { $0 } == nil)
        }
        for _ in 0..<1000 where answer.withLock({ $0 == nil }) { usleep(1000) }
        #expect(answer.withLock { $0?.user?.user.id } == 2)
    }

    @Test("whoever brings the same token waits for the same write")
    func same() throws {
        let token = try house.foreignToken(user: 3)
        let count = Mutex(0)
        try house.withSessionsLocked(.immediate) {
            for _ in 0..<3000 {
                try pending(.bearer(token)).settle { answer in if answer.user != nil { count.withLock { $0 += 1 } } }
            }
        }
        for _ in 0..<5000 where count.withLock({ $0 }) < 3000 { usleep(1000) }
        #expect(count.withLock { $0 } == 3000)
        #expect(try sessions(of: 3) == 1)
    }

    @Test("what waits is bounded: one too many is refused at once, and the others are let in all the same")
    func flood() throws {
        let tokens = try (0..<2400).map { _ in try house.foreignToken(user: 3) }
        let good = Mutex(0)
        let refused = Mutex(0)
        try house.withSessionsLocked(.immediate) {
            for token in tokens {
                try pending(.bearer(token)).settle { answer in
                    if answer.user != nil { good.withLock { $0 += 1 } }
                    if case .refused(.unavailable) = answer { refused.withLock { $0 += 1 } }
                }
            }
            // 2000 wait for what has to be written, and the thread has taken some more.
            for _ in 0..<5000 where refused.withLock({ $0 }) < 144 { usleep(1000) }
            #expect((144...400).contains(refused.withLock { $0 }))
        }
        // Somebody signs in between them.
        #expect(worker.logIn(#"{"username":"bob","password":"bobpw"}"#).status == 200)
        for _ in 0..<20_000 where good.withLock({ $0 }) + refused.withLock({ $0 }) < 2400 { usleep(1000) }
        #expect(good.withLock { $0 } >= 2000)
        #expect(good.withLock { $0 } + refused.withLock { $0 } == 2400)
        #expect(try sessions(of: 3) == good.withLock { $0 })
    }

    @Test("what a process left that died in a commit is rolled back by a thread that may write")
    func hotJournal() throws {
        let (known, other) = (try worker.tokens(of: "bob").access, try worker.tokens(of: "bob").access)
        #expect(worker.authenticate(.bearer(known)).user != nil)
        let (whole, dirty) = (house.folder + "/whole", house.folder + "/journal")
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        let writer = try DatabaseQueue(path: sessionsFile, configuration: configuration)
        try writer.inDatabase { db in
            _ = try String.fetchOne(db, sql: "PRAGMA journal_mode = truncate")
            // So that pages reach the file, and what they held the journal, before the end.
            try db.execute(sql: "PRAGMA cache_size = 2; BEGIN IMMEDIATE; DELETE FROM token")
            for number in 0..<3000 {
                try db.execute(
                    sql: "INSERT INTO session (id, userID, beganAt) VALUES (?, 9, 0)",
                    arguments: ["\(number) of a transaction that comes to nothing"])
            }
            try FileManager.default.copyItem(atPath: sessionsFile, toPath: whole)
            try FileManager.default.copyItem(atPath: sessionsFile + "-journal", toPath: dirty)
            try db.execute(sql: "ROLLBACK")
        }
        try writer.close()
        for (copy, file) in [(whole, sessionsFile), (dirty, sessionsFile + "-journal")] {
            let handle = try #require(FileHandle(forWritingAtPath: file))
            try handle.truncate(atOffset: 0)
            try handle.write(contentsOf: try Data(contentsOf: URL(fileURLWithPath: copy)))
            try handle.close()
        }
        // Nothing was committed, so who is known need not wait for it.
        #expect(worker.authenticate(.bearer(known)).user?.user.id == 2)
        #expect(try pending(.bearer(other)).wait().user?.user.id == 2)
        for token in [known, other] { #expect(worker.authenticate(.bearer(token)).user?.user.id == 2) }
        #expect(try sessions(of: 9) == 0)
    }
}
