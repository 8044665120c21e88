import Foundation
import GRDB
import Testing

@testable import Sessions

@Suite struct RevocationTests {
    let house: Household
    let workers: [Sessions]

    init() throws {
        let house = try Household()
        self.house = house
        workers = (0..<4).map { _ in house.worker() }
    }

    /// Every worker's verdict on an access token.
    private func statuses(_ access: String) -> Set<Int> { Set(workers.map { $0.user(.bearer(access)).status }) }

    /// Every kind of token that descends from one login.
    private func family(_ name: String) throws -> (access: [String], refresh: [String]) {
        let first = try workers[0].tokens(of: name)
        let refreshed = workers[1].refresh(.bearer(first.refresh))
        let again = workers[2].refresh(.bearer(try refreshed.member("refreshtoken")))
        return (
            [first.access, try refreshed.member("accesstoken"), try again.member("accesstoken")],
            [first.refresh, try refreshed.member("refreshtoken"), try again.member("refreshtoken")]
        )
    }

    private func expectEnded(_ family: (access: [String], refresh: [String]), _ message: String = "Token has been revoked") {
        for worker in workers {
            for token in family.access {
                let answer = worker.user(.bearer(token))
                #expect(answer.status == 401)
                #expect(answer.message?.hasPrefix(message) == true)
            }
            for token in family.refresh { #expect(worker.refresh(.bearer(token)).status == 401) }
        }
    }

    private func expectGood(_ family: (access: [String], refresh: [String])) {
        for token in family.access { #expect(statuses(token) == [200]) }
    }

    @Test("logout ends the whole family at every worker, and nobody else's")
    func logout() throws {
        let mine = try family("bob")
        let other = try family("bob")
        expectGood(mine)
        #expect(workers[2].logout(.cookie(mine.access[1])).status == 200)
        expectEnded(mine)
        expectGood(other)
    }

    @Test("who signs out while swingmusic's key is another stays signed out when the old one is back")
    func logoutUnderAnotherKey() throws {
        let mine = try family("bob")
        try house.writeSettings(serverID: String(repeating: "f", count: 64))
        #expect(workers[0].logout(.bearer(mine.access[0])).status == 200)
        try house.writeSettings()
        expectEnded(mine)
    }

    @Test("a renewed cookie belongs to the session of the one it replaces")
    func renewed() throws {
        let now = house.now / 1000
        let due = try house.signed(#"{"sub":{"id":2},"exp":\#(now + 86_400)}"#)
        let cookie = try #require(workers[0].user(.cookie(due)).cookies.first)
        let renewed = String(cookie.dropFirst("access_token_cookie=".count).prefix { $0 != ";" })
        #expect(statuses(renewed) == [200])
        #expect(workers[1].logout(.cookie(due)).status == 200)
        #expect(statuses(renewed) == [401])
    }

    @Test("a token of swingmusic's becomes a session when first seen, with the refresh token that was made with it")
    func adopted() throws {
        let access = try house.foreignToken(user: 2, issuedAgo: 50)
        let refresh = try house.foreignToken(.refresh, user: 2, issuedAgo: 50)
        let later = try house.foreignToken(user: 2, issuedAgo: 20)
        #expect(statuses(access) == [200])
        #expect(workers[0].logout(.cookie(access)).status == 200)
        #expect(statuses(access) == [401])
        #expect(workers[3].refresh(.bearer(refresh)).message == "Token has been revoked")
        #expect(statuses(later) == [200])
    }

    @Test("logout ends a session of swingmusic's that was never seen here")
    func unseen() throws {
        let access = try house.foreignToken(user: 2)
        #expect(workers[0].logout(.bearer(access)).status == 200)
        #expect(statuses(access) == [401])
    }

    @Test("ending the others spares the own session and refuses unknown tokens, of before that second, after it, or of no stated time")
    func others() throws {
        let mine = try family("bob")
        let other = try family("bob")
        let somebodyElses = try family("carol")
        let older = try house.foreignToken(user: 2, issuedAgo: 1)
        let timeless = try house.signed(#"{"sub":{"id":2}}"#)
        let sameSecond = try house.foreignToken(user: 2)
        #expect(workers[1].endOthers(.cookie(mine.access[0])).status == 200)
        expectGood(mine)
        expectEnded(other)
        expectGood(somebodyElses)
        #expect(statuses(older) == [401])
        #expect(statuses(timeless) == [401])
        #expect(statuses(sameSecond) == [401])
        house.pass(seconds: 10)
        #expect(statuses(try house.foreignToken(user: 2)) == [401])
        // A timeless token of somebody else's is none of this user's business.
        #expect(statuses(try house.signed(#"{"sub":{"id":3}}"#)) == [200])
    }

    @Test("one ends one's own sessions by their id, an admin anybody's, and nobody else a stranger's")
    func byID() throws {
        let bob = try workers[0].tokens(of: "bob")
        let second = try workers[0].tokens(of: "bob")
        let carol = try workers[0].tokens(of: "carol")
        let admin = try workers[0].tokens(of: "admin")
        let ids = try workers[1].openSessions(of: 2, current: nil).map(\.id)
        let carols = try #require(try workers[1].openSessions(of: 3, current: nil).first?.id)
        #expect(ids.count == 2)
        #expect(workers[2].end(.cookie(bob.access), session: carols).status == 404)
        #expect(statuses(carol.access) == [200])
        for id in ids { _ = workers[3].end(.cookie(second.access), session: id) }
        #expect(statuses(second.access) == [401])
        #expect(workers[0].end(.cookie(admin.access), session: carols).status == 200)
        #expect(workers[0].end(.cookie(admin.access), session: carols).status == 404)
        #expect(statuses(carol.access) == [401])
    }

    @Test("a session list shows the device, marks the current one, and others' only to admins")
    func list() throws {
        let bob = try workers[0].tokens(of: "bob")
        var caller = Caller.cookie(bob.access)
        caller.userAgent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
        let answer = workers[1].list(caller, user: nil)
        #expect(answer.text.contains(#""current":true,"device":"Firefox on Linux""#))
        #expect(workers[1].list(caller, user: "1").status == 403)
        #expect(workers[1].list(caller, user: "all").status == 403)
        let admin = try workers[0].tokens(of: "admin")
        #expect(workers[2].list(.cookie(admin.access), user: "2").text.contains(#""username":"bob""#))
        #expect(workers[2].list(.cookie(admin.access), user: "all").text.contains(#""username":"bob""#))
    }

    @Test("last seen is written by the maintenance, and never for a session that ended")
    func seen() throws {
        let access = try house.foreignToken(user: 2)
        _ = workers[0].user(.bearer(access))
        #expect(house.records.count == 0)
        workers[0].maintain()
        #expect(house.records.count == 1)
        house.pass(seconds: 61)
        _ = workers[0].user(.bearer(access))
        _ = workers[1].logout(.bearer(access))
        workers[0].maintain()
        #expect(house.records.count == 0)
    }

    @Test("a use that is written late does not undo a later one")
    func seenLate() throws {
        let access = try house.foreignToken(user: 2)
        _ = workers[0].user(.bearer(access))
        house.pass(seconds: 1)
        var phone = Caller.cookie(access)
        phone.userAgent = "Dart/3.4 (dart:io)"
        #expect(workers[1].list(phone, user: nil).text.contains("Swing Music app"))
        workers[0].maintain()
        #expect(try workers[2].openSessions(of: 2, current: nil).map(\.device) == ["Swing Music app"])
    }

    @Test("revocations outlive a restart")
    func restart() throws {
        let mine = try family("bob")
        _ = workers[0].logout(.cookie(mine.access[0]))
        workers.forEach { $0.close() }
        let next = house.worker()
        for token in mine.access { #expect(next.user(.bearer(token)).status == 401) }
    }

    @Test("when sessions.db is lost every token issued before now is refused, at running workers and after a restart")
    func lost() throws {
        let mine = try family("bob")
        let foreign = try house.foreignToken(user: 3)
        let timeless = try house.signed(#"{"sub":{"id":3}}"#)
        #expect(statuses(timeless) == [200])
        try FileManager.default.removeItem(atPath: house.data + "/sessions.db")
        house.pass(seconds: 5)
        expectEnded(mine)
        #expect(statuses(foreign) == [401])
        #expect(statuses(timeless) == [401])
        #expect(house.worker().user(.bearer(timeless)).status == 401)
        house.pass(seconds: 2)
        #expect(statuses(try workers[0].tokens(of: "bob").access) == [200])
        // Whatever ended before may have been renewed at swingmusic meanwhile, for as long as it could be.
        #expect(statuses(try house.foreignToken(user: 3)) == [401])
        house.pass(seconds: 31 * 86_400)
        #expect(statuses(try house.foreignToken(user: 1)) == [200])
    }

    @Test("on a first start tokens of before are good: nothing was lost")
    func firstStart() throws {
        #expect(statuses(try house.foreignToken(user: 2, issuedAgo: 100_000)) == [200])
    }

    @Test("a damaged sessions.db lets nobody in")
    func damaged() throws {
        let access = try workers[0].tokens(of: "bob").access
        workers.forEach { $0.close() }
        try "not a database, whatever it was before".write(toFile: house.data + "/sessions.db", atomically: true, encoding: .utf8)
        let worker = house.worker()
        #expect(worker.user(.bearer(access)).status == 503)
        #expect(worker.verify(.bearer(access), method: "GET", role: nil).status == 403)
    }

    @Test("a sessions.db with a row that its table does not allow lets nobody in, and ends no worker")
    func impossibleRow() throws {
        let access = try workers[0].tokens(of: "bob").access
        workers.forEach { $0.close() }
        let path = house.data + "/sessions.db"
        let schema = try DatabaseQueue(path: path).write { db in
            let schema = try #require(try String.fetchOne(db, sql: "SELECT sql FROM sqlite_schema WHERE name = 'clock'"))
            let loose = schema.replacingOccurrences(of: "NOT NULL", with: "").replacingOccurrences(of: "STRICT", with: "")
            try db.execute(sql: "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = ? WHERE name = 'clock'", arguments: [loose])
            return schema
        }
        try DatabaseQueue(path: path).write { db in
            try db.execute(sql: "INSERT INTO clock (id) VALUES (1000000)")
            try db.execute(sql: "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = ? WHERE name = 'clock'", arguments: [schema])
        }
        let worker = house.worker()
        #expect(worker.user(.bearer(access)).status == 503)
        #expect(worker.verify(.bearer(access), method: "GET", role: nil).status == 403)
    }

    @Test("ending everything refuses all tokens of before, those of swingmusic included")
    func everything() throws {
        let mine = try family("bob")
        let timeless = try house.signed(#"{"sub":{"id":3}}"#)
        #expect(try workers[1].endEverything() == 1)
        expectEnded(mine)
        #expect(statuses(timeless) == [401])
        house.pass(seconds: 2)
        #expect(statuses(try workers[0].tokens(of: "bob").access) == [200])
    }

    @Test("a session that refreshes without end is told to stop; its tokens stay good, and end with it")
    func full() throws {
        let first = try workers[0].tokens(of: "bob")
        let session = try #require(try workers[0].openSessions(of: 2, current: nil).first?.id)
        let expiresAt = house.now / 1000 + 1_000_000
        try workers[0].database.write { rows in
            for number in 0..<(SessionTables.mostTokens - 4) {
                try rows.execute(
                    "INSERT INTO token (hash, sessionID, kind, expiresAt) VALUES (?, ?, 0, ?)",
                    [TokenHash(of: Array("filler \(number)".utf8)[...]).data, session, expiresAt])
            }
        }
        let last = workers[1].refresh(.bearer(first.refresh))
        #expect(last.status == 200)
        let code = try workers[2].pairCode(.bearer(first.access)).member("code")
        for worker in workers {
            let refused = worker.refresh(.bearer(first.refresh))
            #expect(refused.status == 429 && refused.retryAfter == 3600)
        }
        // A paired device has a session of its own, with its own room.
        #expect(workers[3].pair(Caller(address: "192.0.2.9"), code: code).status == 200)
        #expect(try workers[0].database.read { try $0.count("token") } == SessionTables.mostTokens + 2)
        #expect(statuses(first.access) == [200])
        #expect(statuses(try last.member("accesstoken")) == [200])
        // Near its end a cookie is as good as ever, but is not renewed.
        house.pass(seconds: 25 * 86_400)
        let due = workers[0].user(.cookie(first.access))
        #expect(due.status == 200 && due.cookies.isEmpty)
        // Another session of the same user has its own room.
        #expect(workers[0].refresh(.bearer(try workers[0].tokens(of: "bob").refresh)).status == 200)
        #expect(workers[0].logout(.bearer(first.access)).status == 200)
        #expect(statuses(try last.member("accesstoken")) == [401])
    }

    @Test("what has expired is removed a day later, and an ended session's tokens not before")
    func purge() throws {
        let mine = try family("bob")
        _ = workers[0].logout(.cookie(mine.access[0]))
        house.pass(seconds: 29 * 86_400)
        workers[0].maintain()
        expectEnded(mine)
        #expect(try workers[0].database.read { try $0.count("token") } == 6)
        house.pass(seconds: 3 * 86_400)
        workers[0].maintain()
        #expect(try workers[0].database.read { try $0.count("token") + $0.count("session") } == 0)
    }
}

extension SessionReading {
    func count(_ table: String) throws -> Int { try Int.fetchOne(db, sql: "SELECT count(*) FROM \(table)") ?? 0 }
}
