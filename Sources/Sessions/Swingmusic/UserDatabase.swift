import Glibc
import GRDB
import GRDBSQLite
import JSON
import Logging
import Platform

/// Why swingmusic's users cannot be read.
enum UserDatabaseError: Error, Equatable {
    case missing
    case busy
    case unreadable(String)
}

/// swingmusic's users, read from its `swingmusic.db` as it is at that moment: nothing is kept between two questions.
final class UserDatabase: Sendable {
    /// What becomes of a reader who meets a lock.
    enum Patience {
        /// It does not wait: `busy`. For event threads.
        case none
        /// It waits, 250 ms at most.
        case brief
    }

    /// A folder, and open connections to the database in it.
    private struct Place: Sendable {
        let files: SwingmusicFolder.Files
        private let glancing = ConnectionPool<Connection>(most: 16)
        private let waiting = ConnectionPool<Connection>(most: 4)

        init(files: SwingmusicFolder.Files) { self.files = files }

        func connections(_ patience: Patience) -> ConnectionPool<Connection> { patience == .none ? glancing : waiting }
        func close() { for connections in [glancing, waiting] { connections.removeAll() } }

        var hasLog: Bool { access(files.database + "-wal", F_OK) == 0 }
        /// Without write access to the folder a WAL database can only be read as immutable (sqlite.org/uri.html), which is right while
        /// nobody has it open, that is while there is no `-wal`.
        var isFrozen: Bool { access(files.folder, W_OK) != 0 && !hasLog }
    }

    /// An open connection, and what the file looked like that it opened.
    struct Connection: Sendable {
        let queue: DatabaseQueue
        private let stamp: FileStamp
        /// Opened as immutable: SQLite does not look for changes, so any change of the stamp makes the connection useless.
        private let isFrozen: Bool

        init(to path: String, at stamp: FileStamp, isFrozen: Bool, _ patience: Patience) throws {
            let file = SQLiteFile(
                path: path, label: "swingmusic.db", journal: .untouched, access: isFrozen ? .immutable : .readOnly,
                lockWait: patience == .none ? .atMost(.zero) : .brief)
            (queue, self.stamp, self.isFrozen) = (try file.open(expecting: stamp.identity), stamp, isFrozen)
        }

        /// Whether it reads what the file holds now.
        func isGood(at now: FileStamp, hasLog: @autoclosure () -> Bool) -> Bool {
            isFrozen ? stamp == now && !hasLog() : stamp.identity == now.identity
        }
    }

    private let folder: SwingmusicFolder
    private let latest = Locked<Place?>(nil)  // guards the place that was read last
    private let trouble: LogOnce
    private let clock: any HostClock

    init(folder: SwingmusicFolder, clock: any HostClock, log: Logger) {
        self.folder = folder
        self.clock = clock
        trouble = LogOnce(log, repeatedEvery: .seconds(60))
    }

    /// Of the database as it is read now.
    var path: String { folder.files().database }

    /// As long as swingmusic has made no files it may make them in another folder than the one that was looked into last.
    private func place() -> Place {
        let files = folder.files()
        return latest.withLock { latest in
            if let latest, latest.files === files { return latest }
            latest?.close()
            let place = Place(files: files)
            latest = place
            return place
        }
    }

    /// For the log: of who is gone, the id. Not for event threads.
    func name(of userID: Int64) -> String { (try? account(id: userID, .brief))?.user.name ?? "id \(userID)" }

    func account(id: Int64, _ patience: Patience) throws(UserDatabaseError) -> Account? {
        // Every check of a token asks this.
        try read(patience) { db in
            let statement = try db.cachedStatement(sql: Self.byID)
            sqlite3_bind_int64(statement.sqliteStatement, 1, id)
            return try Self.accounts(statement, db).first
        }
    }

    /// The one of that exact name; of several the one with the lowest id.
    func account(named name: String, _ patience: Patience) throws(UserDatabaseError) -> Account? {
        // A statement's text ends at a NUL: it would find the user of the shorter name.
        guard !name.utf8.contains(0) else { return nil }
        return try read(patience) { db in
            let statement = try db.cachedStatement(sql: Self.columns + " WHERE username = ? ORDER BY id LIMIT 1")
            try statement.setArguments([name])
            return try Self.accounts(statement, db).first
        }
    }

    /// Everybody, by id.
    func accounts(_ patience: Patience) throws(UserDatabaseError) -> [Account] {
        try read(patience) { db in try Self.accounts(db.cachedStatement(sql: Self.columns + " ORDER BY id"), db) }
    }

    func close() { latest.withLock { $0 }?.close() }

    private static let columns = "SELECT id, username, image, password, roles, extra FROM user"
    private static let byID = columns + " WHERE id = ?"

    /// What a statement finds whose arguments are bound, without GRDB's rows between SQLite's and these.
    private static func accounts(_ statement: Statement, _ db: Database) throws -> [Account] {
        let row = statement.sqliteStatement
        defer { sqlite3_reset(row) }
        var accounts: [Account] = []
        while true {
            switch sqlite3_step(row) {
            case SQLITE_ROW: if let account = account(row) { accounts.append(account) }
            case SQLITE_DONE: return accounts
            case let code: throw DatabaseError(resultCode: ResultCode(rawValue: code), message: db.lastErrorMessage)
            }
        }
    }

    /// nil for a row that cannot be a user: a name or password that is no text, or has a NUL in it.
    private static func account(_ row: OpaquePointer) -> Account? {
        guard sqlite3_column_type(row, 0) == SQLITE_INTEGER, let name = text(row, 1), let password = text(row, 3) else { return nil }
        return Account(
            user: User(
                id: sqlite3_column_int64(row, 0), name: name, image: text(row, 2), rolesText: text(row, 4) ?? "[]", extraText: text(row, 5)),
            passwordHash: password)
    }

    /// A value with a NUL in it counts as none: swingmusic sees more of it than what ends there.
    private static func text(_ row: OpaquePointer, _ column: CInt) -> String? {
        let type = sqlite3_column_type(row, column)
        guard type == SQLITE_TEXT || type == SQLITE_BLOB else { return nil }
        // In this order, for a file in UTF-16 as well (sqlite.org/c3ref/column_blob.html).
        let start = sqlite3_column_text(row, column)
        let bytes = UnsafeBufferPointer(start: start, count: start == nil ? 0 : Int(sqlite3_column_bytes(row, column)))
        return bytes.contains(0) ? nil : String(decoding: bytes, as: UTF8.self)
    }

    /// One question to the database as it is now; read-only.
    func read<Result>(_ patience: Patience, _ body: (Database) throws -> Result) throws(UserDatabaseError) -> Result {
        do {
            let place = place()
            guard let stamp = FileStamp(path: place.files.database) else { throw UserDatabaseError.missing }
            let result = try place.connections(patience).borrow(
                if: { $0.isGood(at: stamp, hasLog: place.hasLog) },
                opening: { try Connection(to: place.files.database, at: stamp, isFrozen: place.isFrozen, patience) }
            ) { try $0.queue.inDatabase(body) }
            trouble.settle("swingmusic.db: all right again")
            return result
        } catch {
            let fault = Self.fault(error)
            // Who does not wait meets a lock that is held for a moment.
            guard patience != .none || fault != .busy else { throw fault }
            trouble.raise(Self.words(fault), now: clock.wall, "swingmusic.db: \(Self.words(fault))")
            throw fault
        }
    }

    private static func fault(_ error: any Error) -> UserDatabaseError {
        switch error {
        case let fault as UserDatabaseError: fault
        case let error as DatabaseError where error.resultCode.primaryResultCode == .SQLITE_BUSY: .busy
        case let error as DatabaseError: .unreadable(error.message ?? "\(error.resultCode)")
        default: .unreadable("\(error)")
        }
    }

    static func words(_ fault: UserDatabaseError) -> String {
        switch fault {
        case .missing: "the file is missing"
        case .busy: "locked by another process"
        case .unreadable(let reason): "cannot be read: \(reason)"
        }
    }
}

/// A user of swingmusic's.
public struct User: Sendable, Equatable {
    public let id: Int64
    public let name: String
    public let image: String?
    /// The column as it is stored: a JSON array as text.
    let rolesText: String
    let extraText: String?

    public var roles: [String] { rolesValue.texts }
    public var isAdmin: Bool { roles.contains("admin") }
    public var isGuest: Bool { roles.contains("guest") }

    var rolesValue: JSONValue { Self.value(rolesText) }
    var extraValue: JSONValue { extraText.map(Self.value) ?? .null }

    /// `sub` of a token, in the contract's order.
    var subject: JSONValue {
        .object([
            JSONMember("id", .integer(id)), JSONMember("image", image.map(JSONValue.string) ?? .null),
            JSONMember("username", .string(name)),
            JSONMember("roles", rolesValue), JSONMember("extra", extraValue),
        ])
    }

    private static func value(_ text: String) -> JSONValue { (try? JSONValue(reading: text, .python))?.withoutDuplicates ?? .null }
}

/// A user with the stored hash of the password. It stays in this room.
struct Account: Sendable, Equatable {
    let user: User
    /// Lower-case hex as stored.
    let passwordHash: String
}

extension JSONValue {
    /// The texts of an array.
    fileprivate var texts: [String] {
        guard case .array(let items) = self else { return [] }
        return items.compactMap(\.text)
    }
}

/// How many users `swingmusic.db` has, read in the way the sessions read it: for `check`.
public struct UserCount: Sendable {
    public let users: Int

    /// Why it cannot be read, in words.
    public struct Fault: Error, Sendable {
        public let reason: String
    }

    /// - Parameter folder: swingmusic's.
    public init(in folder: String) throws(Fault) {
        let log = Logger(label: "check") { _ in SwiftLogNoOpLogHandler() }
        let directory = UserDatabase(folder: SwingmusicFolder(folder, log: log), clock: SystemClock(), log: log)
        defer { directory.close() }
        do {
            users = try directory.accounts(.brief).count
        } catch {
            throw Fault(reason: UserDatabase.words(error))
        }
    }
}

/// The one write to swingmusic's database: a legacy password hash is replaced at login.
enum Rehash {
    /// Does nothing where the row has changed meanwhile. Throws GRDB's error where the file cannot be written.
    static func store(_ newHash: String, over oldHash: String, user id: Int64, path: String) throws {
        let queue = try SQLiteFile(path: path, label: "swingmusic.db rehash", journal: .untouched, lockWait: .long).open()
        defer { try? queue.close() }
        try queue.inDatabase { db in
            try db.execute(sql: "UPDATE user SET password = ? WHERE id = ? AND password = ?", arguments: [newHash, id, oldHash])
        }
    }
}
