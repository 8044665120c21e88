import GRDB

/// Why `sessions.db` gave no answer. Nobody is let in then.
enum LedgerFault: Error, Equatable, CustomStringConvertible {
    case busy
    case cannotOpen(String)
    case cannotUse(String)

    init(_ error: any Error) {
        switch error {
        case let fault as LedgerFault: self = fault
        case let error as DatabaseError where error.resultCode.primaryResultCode == .SQLITE_BUSY: self = .busy
        case let error as DatabaseError: self = .cannotUse(error.message ?? "\(error.resultCode)")
        default: self = .cannotUse("\(error)")
        }
    }

    var description: String { "sessions.db \(words)" }

    var words: String {
        switch self {
        case .busy: "locked by another process"
        case .cannotOpen(let reason): "cannot be opened: \(reason)"
        case .cannotUse(let reason): "cannot be used: \(reason)"
        }
    }
}
