import GRDB

/// Why the limiter could not answer. Whatever the case: no permit was granted, so no call may be made.
public enum RateLimiterError: Error, CustomStringConvertible {
    /// Somebody else held the file's lock for longer than the timeout.
    case locked(String)
    case readOnly(String)
    case diskFull(String)
    /// SQLite says that the file is no database or is damaged.
    case damaged(String)
    case cannotOpen(String)
    /// Reading or writing failed (SQLITE_IOERR), or anything else that SQLite reports.
    case failed(String)
    /// The file was written by a newer version of this program.
    case newerSchema(found: Int, known: Int)
    /// A database, but not a limiter's.
    case foreign(String)
    /// The settings given to `init` cannot be kept.
    case settings(String)
    /// The `storing` closure of `finish` threw this; nothing was changed.
    case storing(any Error)

    public var description: String {
        switch self {
        case .locked(let cause): "the limiter's file is locked: \(cause)"
        case .readOnly(let cause): "the limiter's file cannot be written: \(cause)"
        case .diskFull(let cause): "the limiter's file cannot grow: \(cause)"
        case .damaged(let cause): "the limiter's file is damaged: \(cause)"
        case .cannotOpen(let cause): "the limiter's file cannot be opened: \(cause)"
        case .failed(let cause): "the limiter's file cannot be used: \(cause)"
        case .newerSchema(let found, let known):
            "the limiter's file has schema \(found), this program knows schemas up to \(known)"
        case .foreign(let cause): "the limiter's file belongs to something else: \(cause)"
        case .settings(let cause): "the limiter cannot work so: \(cause)"
        case .storing(let cause): "the answer could not be stored: \(cause)"
        }
    }

    /// Files an error of SQLite under what an operator would do about it (sqlite.org/rescode.html).
    init(_ error: any Error) {
        if let error = error as? RateLimiterError {
            self = error
        } else if let error = error as? DatabaseError {
            let cause = error.message ?? "\(error.resultCode)"
            switch error.resultCode {
            case .SQLITE_BUSY, .SQLITE_LOCKED: self = .locked(cause)
            case .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH: self = .readOnly(cause)
            case .SQLITE_FULL: self = .diskFull(cause)
            case .SQLITE_CORRUPT, .SQLITE_NOTADB: self = .damaged(cause)
            case .SQLITE_CANTOPEN: self = .cannotOpen(cause)
            default: self = .failed("\(cause) (\(error.extendedResultCode.rawValue))")
            }
        } else {
            self = .failed("\(error)")
        }
    }

    /// Whether a fresh connection might do better.
    var concernsConnection: Bool {
        switch self {
        case .locked, .settings, .storing: false
        default: true
        }
    }
}
