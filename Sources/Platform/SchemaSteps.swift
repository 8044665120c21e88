import GRDB

/// How a database's file gets its tables: one step a version, and `PRAGMA user_version` is the number of steps that a file has taken.
///
/// A step is never changed once it was released. While workers are replaced, those of the version before go on with a file that has taken
/// the next step, so a step only adds what their statements do not mind.
public struct SchemaSteps: Sendable {
    public typealias Step = @Sendable (Database) throws -> Void

    /// `PRAGMA application_id`: tells the program's files from others' (sqlite.org/pragma.html#pragma_application_id).
    public let applicationID: Int32
    public let steps: [Step]
    /// Files of these versions were released without an application_id.
    private let unmarked: Set<Int>

    public init(applicationID: Int32, unmarked: Set<Int> = [], _ steps: [Step]) {
        self.applicationID = applicationID
        self.unmarked = unmarked
        self.steps = steps
    }

    /// Steps that are statements only.
    public init(applicationID: Int32, unmarked: Set<Int> = [], sql steps: [String]) {
        self.init(applicationID: applicationID, unmarked: unmarked, steps.map { sql in { db in try db.execute(sql: sql) } })
    }

    /// The newest version that this program reads.
    public var version: Int { steps.count }

    /// The steps up to a version and after it, as another release would have them; for tests.
    public func through(_ version: Int, then more: [Step] = []) -> SchemaSteps {
        SchemaSteps(applicationID: applicationID, unmarked: unmarked, Array(steps.prefix(version)) + more)
    }

    /// Takes the steps that are missing, all of them or none; several processes may try at once. Within a transaction of the caller's, which
    /// must be able to write, they are a part of it.
    /// - Parameter whenNew: fills the tables of a file that had none, in the same transaction.
    /// - Returns: the version that was found; 0 for a new file.
    /// - Throws: `DatabaseFault.newerSchema` or `.foreign`, and then nothing was changed; or GRDB's error.
    @discardableResult
    public func migrate(_ db: Database, whenNew: (Database) throws -> Void = { _ in }) throws -> Int {
        let found = try check(db)
        guard found < version else { return found }
        guard !db.isInsideTransaction else { return try take(in: db, whenNew) }
        var begun = found
        try db.inTransaction(.immediate) {
            begun = try take(in: db, whenNew)
            return .commit
        }
        return begun
    }

    private func take(in db: Database, _ whenNew: (Database) throws -> Void) throws -> Int {
        let found = try check(db)  // another process may have been first
        guard found < version else { return found }
        for step in steps[found...] { try step(db) }
        try db.execute(sql: "PRAGMA application_id = \(applicationID); PRAGMA user_version = \(version)")
        if found == 0 { try whenNew(db) }
        return found
    }

    /// The version of a file that this program may use; 0 for an empty one. Changes nothing.
    /// - Throws: `DatabaseFault.newerSchema` or `.foreign`.
    public func check(_ db: Database) throws -> Int {
        if try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema") == 0 {
            let owner = try Self.owner(of: db)
            guard owner == 0 || owner == applicationID else { throw DatabaseFault.foreign(applicationID: owner) }
            return 0
        }
        let found = try Self.version(of: db)
        let owner = try Self.owner(of: db)
        guard owner == applicationID || owner == 0 && unmarked.contains(found) else { throw DatabaseFault.foreign(applicationID: owner) }
        guard (1...max(version, 1)).contains(found) else { throw DatabaseFault.newerSchema(found: found, known: version) }
        return found
    }

    /// The version of any file, whoever made it.
    public static func version(of db: Database) throws -> Int { try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0 }

    private static func owner(of db: Database) throws -> Int32 { try Int32.fetchOne(db, sql: "PRAGMA application_id") ?? 0 }
}

// MARK: Faults

/// What is wrong with a database, by what an operator would do about it. The text is SQLite's, without the statement, which may hold what
/// a user typed.
public enum DatabaseFault: Error, Sendable, Equatable {
    /// Somebody else held the file's lock for longer than was waited.
    case locked(String)
    case readOnly(String)
    case diskFull(String)
    /// The file is no database, or not a sound one.
    case damaged(String)
    case cannotOpen(String)
    /// Reading or writing failed, or anything else that SQLite reports.
    case failed(String)
    /// A newer release has written it.
    case newerSchema(found: Int, known: Int)
    /// It is another program's database.
    case foreign(applicationID: Int32)

    /// Files any error under what it means (sqlite.org/rescode.html).
    public init(_ error: any Error) {
        guard let error = error as? DatabaseError else {
            self = error as? DatabaseFault ?? .failed("\(error)")
            return
        }
        let cause = error.message ?? "\(error.resultCode)"
        switch error.resultCode.primaryResultCode {
        case .SQLITE_BUSY, .SQLITE_LOCKED: self = .locked(cause)
        case .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH: self = .readOnly(cause)
        case .SQLITE_FULL: self = .diskFull(cause)
        case .SQLITE_CORRUPT, .SQLITE_NOTADB: self = .damaged(cause)
        case .SQLITE_CANTOPEN: self = .cannotOpen(cause)
        default: self = .failed("\(cause) (\(error.extendedResultCode.rawValue))")
        }
    }

    public var isDamage: Bool {
        if case .damaged = self { return true }
        return false
    }
}

extension DatabaseFault: CustomStringConvertible {
    /// What follows the file's name in a sentence.
    public var description: String {
        switch self {
        case .locked(let cause): "is locked: \(cause)"
        case .readOnly(let cause): "cannot be written: \(cause)"
        case .diskFull(let cause): "cannot grow: \(cause)"
        case .damaged(let cause): "is damaged: \(cause)"
        case .cannotOpen(let cause): "cannot be opened: \(cause)"
        case .failed(let cause): "cannot be used: \(cause)"
        case .newerSchema(let found, let known): "has schema \(found), this program knows schemas up to \(known)"
        case .foreign(let applicationID): "is another program's database (application_id \(applicationID))"
        }
    }
}

extension Database {
    /// Reads the whole file and throws `DatabaseFault.damaged` with SQLite's first finding (sqlite.org/pragma.html#pragma_quick_check).
    public func checkSoundness() throws {
        let verdict = try String.fetchOne(self, sql: "PRAGMA quick_check(1)") ?? "no verdict"
        guard verdict == "ok" else { throw DatabaseFault.damaged(verdict) }
    }
}
