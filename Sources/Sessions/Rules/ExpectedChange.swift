/// A change of a user's row that was asked for through us: when it shows, it is no reason to end everything.
struct ExpectedChange: Sendable, Equatable {
    var userID: Int64
    /// The row as it will be.
    var name: String
    var fingerprint: Fingerprint
    /// The session that changed its own password; nil where all sessions go on (a rename, our rehash).
    var sessionID: String?
}
