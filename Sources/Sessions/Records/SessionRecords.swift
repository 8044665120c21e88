/// Where the shown records are kept, for the time that a session may go unused (24 h, begun anew at every write).
protocol SessionRecords: Sendable {
    /// In the order of `ids`; nil for one that lapsed.
    func records(_ ids: [String]) throws -> [SessionRecord?]
    func keep(_ record: SessionRecord, as id: String) throws
    func remove(_ ids: [String]) throws
    /// Whether `markBegun` was ever called on what is kept here: there has been a `sessions.db` then.
    func hasBegun() -> Bool
    func markBegun()
}
