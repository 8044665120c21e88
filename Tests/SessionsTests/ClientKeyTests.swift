import GRDB
import Testing

@testable import Platform
@testable import Sessions

/// Client keys and the tokens that are given out for them.
@Suite struct ClientKeyTests {
    let house: Household
    private var context: BlockingContext { BlockingContext() }
    init() throws { house = try Household() }

    private func bearer(_ token: String) -> Caller { Caller(authorization: ["Bearer \(token)"], address: "192.0.2.1") }

    private func token(_ worker: Sessions, _ key: NewClientKey) throws -> String {
        guard case .token(let text, 3600) = worker.grantToken(id: key.id, secret: key.secret, address: "192.0.2.1", context) else {
            throw Refused(status: 0, message: "no token")
        }
        return text
    }

    private func client(_ authentication: Authentication) -> Int64? {
        if case .authenticated(.client(let number)) = authentication { number } else { nil }
    }

    private func status(_ authentication: Authentication) -> Int? {
        if case .refused(let refused) = authentication { refused.status } else { nil }
    }

    @Test("A key's token reads for an hour, at every worker")
    func anHour() throws {
        let (one, other) = (house.worker(), house.worker())
        let token = try token(one, try one.addClientKey(named: "kitchen", context))
        other.open(context)
        #expect(client(one.authenticateReader(bearer(token))) == 1 && client(other.authenticateReader(bearer(token))) == 1)
        house.pass(seconds: 3599)
        #expect(client(other.authenticateReader(bearer(token))) == 1)
        house.pass(seconds: 1)
        #expect(status(other.authenticateReader(bearer(token))) == 401)
    }

    @Test("The hour is one that passes: a clock that is set makes it no longer and no shorter", arguments: [-86_400, 86_400] as [Int64])
    func clock(_ step: Int64) throws {
        let worker = house.worker()
        let token = try token(worker, try worker.addClientKey(named: "kitchen", context))
        house.setClock(by: step)
        worker.maintain(context)
        #expect(client(worker.authenticateReader(bearer(token))) == 1)
        house.pass(seconds: 3600)
        #expect(status(worker.authenticateReader(bearer(token))) == 401)
    }

    @Test("What a clock that is ahead takes for expired after a start of the host is good again when it is right")
    func aheadAfterStart() throws {
        let worker = house.worker()
        let token = try token(worker, try worker.addClientKey(named: "kitchen", context))
        house.reboot()
        worker.maintain(context)
        house.setClock(by: 86_400)
        worker.maintain(context)
        #expect(status(worker.authenticateReader(bearer(token))) == 401)
        house.setClock(by: -86_400)
        worker.maintain(context)
        #expect(client(worker.authenticateReader(bearer(token))) == 1)
    }

    @Test("A key that was revoked has no token any more, at any worker; another one's go on")
    func revoked() throws {
        let (one, other) = (house.worker(), house.worker())
        let tokens = try ["ended", "kept"].map { try token(one, try one.addClientKey(named: $0, context)) }
        other.open(context)
        house.pass(seconds: 10)
        for token in tokens { #expect(client(other.authenticateReader(bearer(token))) != nil) }
        #expect(try one.revokeClientKey(named: "ended", context) && !(try one.revokeClientKey(named: "ended", context)))
        #expect(status(other.authenticateReader(bearer(tokens[0]))) == 401)
        #expect(client(other.authenticateReader(bearer(tokens[1]))) == 2)
        // Its number is nobody else's.
        #expect(client(one.authenticateReader(bearer(try token(one, try one.addClientKey(named: "ended", context))))) == 3)
    }

    @Test("Where a user is wanted, in a cookie, or to refresh with, it is 401")
    func misplaced() throws {
        let worker = house.worker()
        let token = try token(worker, try worker.addClientKey(named: "kitchen", context))
        #expect(status(worker.authenticate(bearer(token))) == 401)
        #expect(status(worker.authenticate(bearer(token), changes: true)) == 401)
        #expect(status(worker.authenticateReader(Caller(cookies: ["access_token_cookie=\(token)"]))) == 401)
        #expect(worker.refresh(bearer(token)).status == 401)
        #expect(worker.list(bearer(token), user: nil).status == 401)
        // A user's cookie goes before it, good or not.
        let user = try worker.tokens(of: "bob").access
        let both = Caller(cookies: ["access_token_cookie=\(user)"], authorization: ["Bearer \(token)"])
        #expect(worker.authenticateReader(both).user?.user.name == "bob")
    }

    @Test("Wrong ids and secrets get nothing, are counted by address, and make nobody else wait")
    func guesses() throws {
        let worker = house.worker()
        let key = try worker.addClientKey(named: "kitchen", context)
        for id in [key.id, "", "\0", String(repeating: "0", count: 32)] {
            #expect(worker.grantToken(id: id, secret: "wrong", address: "192.0.2.7", context) == .wrong)
        }
        for _ in 4..<10 { #expect(worker.grantToken(id: key.id, secret: "", address: "192.0.2.7", context) == .wrong) }
        #expect(worker.grantToken(id: key.id, secret: key.secret, address: "192.0.2.7", context) == .tooMany(retryAfter: 60))
        _ = try token(worker, key)
        house.pass(seconds: 60)
        guard case .token = worker.grantToken(id: key.id, secret: key.secret, address: "192.0.2.7", context) else {
            Issue.record("the minute is over")
            return
        }
    }

    @Test("A key has a thousand tokens at most: the oldest goes; and what has expired goes by itself")
    func bounded() throws {
        let worker = house.worker()
        let key = try worker.addClientKey(named: "kitchen", context)
        let first = try token(worker, key)
        for minute in 0..<17 {
            house.pass(seconds: minute == 0 ? 1 : 61)
            for _ in 0..<(minute == 0 ? 39 : 60) { _ = try token(worker, key) }
        }
        #expect(try count(worker) == 1000)
        #expect(client(worker.authenticateReader(bearer(first))) == 1)
        house.pass(seconds: 61)
        let last = try token(worker, key)
        #expect(try count(worker) == 1000)
        #expect(status(worker.authenticateReader(bearer(first))) == 401)
        #expect(client(worker.authenticateReader(bearer(last))) == 1)
        for _ in 0..<4 {
            house.pass(seconds: 3600)
            worker.maintain(context)
        }
        #expect(try count(worker) == 0)
    }

    private func count(_ worker: Sessions) throws -> Int {
        try worker.database.read(context) { try Int.fetchOne($0.db, sql: "SELECT count(*) FROM clientToken") ?? 0 }
    }

    @Test("What ends everything ends all tokens; a backup's keys are not to be trusted either")
    func everything() throws {
        let worker = house.worker()
        let key = try worker.addClientKey(named: "kitchen", context)
        let old = try token(worker, key)
        _ = try worker.endEverything(context)
        #expect(status(worker.authenticateReader(bearer(old))) == 401)
        #expect(client(worker.authenticateReader(bearer(try token(worker, key)))) == 1)
        try Sessions.endEverything(in: house.data, log: worker.log, context)
        #expect(worker.grantToken(id: key.id, secret: key.secret, address: "192.0.2.1", context) == .wrong)
    }

    @Test("A token is its prefix and 256 random bits, and no token of swingmusic's")
    func form() throws {
        let text = ClientToken.make()
        #expect(ClientToken.hasForm(Array(text.utf8)) && text.hasPrefix("smfcgi_") && text.utf8.count == 50 && !text.contains("."))
        #expect(!ClientToken.hasForm(Array(text.utf8.dropLast())) && !ClientToken.hasForm(Array((text.dropLast() + ".").utf8)))
        #expect(ClientToken.make() != text)
    }

    @Test("Names stand in paths and on command lines")
    func names() {
        for name in ["a", "kitchen-2.local", "7", "A_b", String(repeating: "x", count: 64)] { #expect(ClientKey.isName(name)) }
        for name in ["", "-a", ".", "..", "_", "a b", "a/b", "é", "a\0", String(repeating: "x", count: 65)] {
            #expect(!ClientKey.isName(name))
        }
    }
}
