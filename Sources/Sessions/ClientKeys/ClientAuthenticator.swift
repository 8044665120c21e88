import Foundation
import GRDB
import Platform

/// Checks the access tokens of client keys. A key that was revoked has none: they are unknown with the next look at the file.
final class ClientAuthenticator: Sendable {
    private let database: SessionDatabase
    private let clock: any HostClock
    private let thread = SerialQueue(named: "clients", capacity: 1000)
    private let memory = Locked<[TokenHash: Remembered]>([:])  // guards what the file last said of tokens that it knows

    /// Tokens at most, some 100 bytes each.
    private static let most = 4096

    private struct Remembered {
        var token: KnownClientToken
        var stamp: FileStamp
    }

    init(database: SessionDatabase, clock: any HostClock) {
        self.database = database
        self.clock = clock
    }

    /// Ends the thread; who waits is not told any more.
    func close() { thread.stop(within: .milliseconds(500)) }

    /// Whose a token is. Never waits.
    func authenticate(_ text: [UInt8]) -> Authentication {
        let hash = TokenHash(of: text[...])
        do throws(SessionDatabaseError) {
            let stamp = try database.stamp()
            if let found = memory.withLock({ $0[hash] }), found.stamp == stamp { return judge(found.token) }
            let token = try database.look(at: stamp) { try $0.clientToken(hash) }
            if let token, stamp.isSettled(now: clock.wall) { remember(Remembered(token: token, stamp: stamp), as: hash) }
            return judge(token)
        } catch {
            return error.isMomentary ? .needsWrite(waiting(for: hash)) : .refused(.unavailable)
        }
    }

    private func judge(_ token: KnownClientToken?) -> Authentication {
        guard let token, !token.isExpired(at: clock.reading()) else { return .refused(.endedClientToken) }
        return .authenticated(.client(token.number))
    }

    private func remember(_ remembered: Remembered, as hash: TokenHash) {
        memory.withLock { memory in
            if memory.count >= Self.most { memory.removeAll(keepingCapacity: true) }
            memory[hash] = remembered
        }
    }

    /// Somebody holds a lock, or the file was not opened yet: it is waited for off the event threads.
    private func waiting(for hash: TokenHash) -> PendingAuthentication {
        PendingAuthentication(meanwhile: nil) { [self] completion in
            let isTaken = thread.submit { [self] context in
                do throws(SessionDatabaseError) {
                    completion(judge(try database.read(context, .long) { try $0.clientToken(hash) }))
                } catch {
                    completion(.refused(.unavailable))
                }
            }
            if !isTaken { completion(.refused(.unavailable)) }
        }
    }
}

/// What `sessions.db` knows of a client key that asks for a token.
struct KnownClientKey: Sendable {
    /// Never given out again. It stands for the key where its id shall not be seen.
    var number: Int64
    var secretHash: [UInt8]
}

/// What `sessions.db` knows of a client key's access token.
struct KnownClientToken: Sendable, Equatable {
    /// Of the key.
    var number: Int64
    /// In seconds since 1970.
    var expiresAt: Int64
    /// Of a token that was given out in this boot: `ClockReading.offset` as it was then.
    var clockOffset: Int64?

    /// What was given out in this boot is judged by the time that has passed since, whatever the wall clock was set to.
    func isExpired(at reading: ClockReading) -> Bool {
        let now = clockOffset.map { reading.boot + $0 } ?? reading.wall
        return now / 1000 >= expiresAt
    }
}

extension SessionReading {
    func clientToken(_ hash: TokenHash) throws -> KnownClientToken? {
        let sql = """
            SELECT t.keyNumber, t.expiresAt, c.offset FROM clientToken t
            LEFT JOIN clock c ON c.id = t.clockID AND c.bootID = ? WHERE t.hash = ?
            """
        return try Row.fetchOne(db.cachedStatement(sql: sql), arguments: [reading.bootID, hash.data]).map {
            KnownClientToken(number: $0[0], expiresAt: $0[1], clockOffset: $0[2])
        }
    }

    func clientKey(_ id: String) throws -> KnownClientKey? {
        guard Self.isBindable(id) else { return nil }
        let sql = "SELECT number, secretHash FROM clientKey WHERE id = ?"
        return try Row.fetchOne(db.cachedStatement(sql: sql), arguments: [id]).map {
            KnownClientKey(number: $0[0], secretHash: Array($0[1] as Data))
        }
    }

    /// By name.
    func clientKeys() throws -> [ClientKey] {
        try Row.fetchAll(db, sql: "SELECT name, id, madeAt, usedAt FROM clientKey ORDER BY name").map {
            ClientKey(name: $0[0], id: $0[1], createdAt: $0[2], usedAt: $0[3])
        }
    }
}

extension SessionTables {
    /// False where the name is taken.
    func insert(_ key: NewClientKey, now: Int64) throws -> Bool {
        try execute(
            "INSERT OR IGNORE INTO clientKey (name, id, secretHash, madeAt) VALUES (?, ?, ?, ?)",
            [key.name, key.id, TokenHash(of: Array(key.secret.utf8)[...]).data, now])
        return db.changesCount == 1
    }

    /// Removes a key and all its tokens; they are unknown from then on. False where there is none.
    func removeClientKey(named name: String) throws -> Bool {
        try execute("DELETE FROM clientToken WHERE keyNumber = (SELECT number FROM clientKey WHERE name = ?)", [name])
        try execute("DELETE FROM clientKey WHERE name = ?", [name])
        return db.changesCount == 1
    }

    /// All tokens of all keys; the keys stay.
    func removeClientTokens() throws { try execute("DELETE FROM clientToken", []) }

    /// All keys and tokens.
    func removeClientKeys() throws {
        try removeClientTokens()
        try execute("DELETE FROM clientKey", [])
    }

    /// Enters a token of the key, in the place of its oldest where it has as many as one may have.
    /// - Returns: nil, or the seconds to wait where the key has had many within the last minute.
    func enter(_ token: TokenHash, of key: Int64) throws -> Int? {
        let now = reading.wall / 1000
        let recent = try Int.fetchOne(
            db.cachedStatement(sql: "SELECT count(*) FROM clientToken WHERE keyNumber = ? AND expiresAt > ? AND expiresAt <= ?"),
            arguments: [key, now + ClientToken.lifetime - 60, now + ClientToken.lifetime])
        guard recent ?? 0 < Self.mostTokensAMinute else { return 60 }
        try execute(
            """
            DELETE FROM clientToken WHERE hash IN (
                SELECT hash FROM clientToken WHERE keyNumber = ? ORDER BY expiresAt DESC LIMIT -1 OFFSET ?)
            """, [key, Self.mostTokensOfKey - 1])
        try execute(
            "INSERT INTO clientToken (hash, keyNumber, expiresAt, clockID) VALUES (?, ?, ?, \(ClockTable.present))",
            [token.data, key, now + ClientToken.lifetime])
        try execute("UPDATE clientKey SET usedAt = ? WHERE number = ?", [reading.wall, key])
        return nil
    }

    /// A client that keeps its token asks once an hour; one that is started by a script, at each start.
    private static let mostTokensAMinute = 60
    private static let mostTokensOfKey = 1000

    /// What has expired is as unknown as what never was. Not while the clock may be wrong: a token of an earlier boot is good again when it is right.
    /// - Returns: whether there may be more.
    func purgeClientTokens(atMost limit: Int) throws -> Bool {
        guard try ClockTable(db, reading).isSettled() else { return false }
        try execute(
            """
            DELETE FROM clientToken WHERE hash IN (
                SELECT hash FROM clientToken t WHERE expiresAt <= \(ClockTable.secondOfToken) LIMIT ?1)
            """, [limit, reading.wall / 1000, reading.boot, reading.bootID])
        return db.changesCount == limit
    }
}
