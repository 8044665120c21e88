import GRDB
import Platform

/// How the wall clock was set in this boot of the host, in `sessions.db`: what was entered since goes by the time that has passed since.
///
/// Every transaction that writes settles the clock before all else, so that what it compares and enters is of one setting.
struct ClockTable {
    private let db: Database
    private let reading: ClockReading

    init(_ db: Database, _ reading: ClockReading) {
        self.db = db
        self.reading = reading
    }

    /// The number of the present setting, within a transaction that has settled the clock.
    static let present = "(SELECT max(id) FROM clock)"
    /// The second that a row `t` of `token` is judged at: that of the wall clock (?2), and of one that was entered in this boot, the one that
    /// it would be (?3 ms after boot ?4) had nobody set the clock since.
    static let secondOfToken = "coalesce((SELECT (?3 + c.offset) / 1000 FROM clock c WHERE c.id = t.clockID AND c.bootID = ?4), ?2)"

    /// Whether what has expired by the wall clock may be forgotten.
    func isSettled() throws -> Bool { try last()?.isSettled(at: reading) ?? false }

    private func last() throws -> ClockSetting? {
        let sql = "SELECT bootID, offset, since FROM clock ORDER BY id DESC LIMIT 1"
        return try Row.fetchOne(db.cachedStatement(sql: sql)).map { ClockSetting(bootID: $0[0], offset: $0[1], since: $0[2]) }
    }

    /// Brings what is written into line with a clock that was set, or a host that was started, since the last transaction.
    /// - Parameter isNew: the file holds nothing yet.
    func settle(isNew: Bool = false) throws -> ClockSetting.Change {
        let change = try last()?.change(at: reading) ?? .otherBoot
        switch change {
        case .none: return change
        case .otherBoot:
            try db.execute(sql: "DELETE FROM clock")
            // The clock says that it is before something that has happened: that happened now at the latest.
            try db.execute(
                sql: "UPDATE session SET endedAt = ?1, beganAt = iif(beganAt = endedAt, ?1, beganAt) WHERE endedAt > ?1",
                arguments: [reading.wall])
            try db.execute(sql: "UPDATE fact SET value = ?1 WHERE name = 'begunAt' AND value > ?1", arguments: [reading.wall])
        case .set(let step):
            for table in ["expectedChange", "passwordChange", "pairCode", "nameClaim"] {
                try db.execute(sql: "UPDATE \(table) SET untilAt = untilAt + ?", arguments: [step])
            }
            if step < 0 { try date(back: step) }
        }
        let setting = ClockSetting(reading, isFirst: isNew)
        try db.execute(
            sql: "INSERT INTO clock (bootID, offset, since) VALUES (?, ?, ?)", arguments: [setting.bootID, setting.offset, setting.since])
        return change
    }

    /// swingmusic's tokens say when they were made by a clock that was set back: what they are compared with is dated by it too, so that one that
    /// was made of an ended token does not look older than that end. What was refused before an instant stays so, until the clock is there again.
    private func date(back step: Int64) throws {
        // The session of refused tokens, which ended as it began, stays one.
        try db.execute(
            sql:
                "UPDATE session SET endedAt = endedAt + ?1, beganAt = iif(beganAt = endedAt, beganAt + ?1, beganAt) WHERE endedAt IS NOT NULL",
            arguments: [step])
        try db.execute(sql: "UPDATE fact SET value = value + ? WHERE name = 'begunAt'", arguments: [step])
        try db.execute(sql: "DELETE FROM fact WHERE name = 'firstUserAt'")
    }
}
