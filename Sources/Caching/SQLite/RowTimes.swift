import GRDB
import Platform

/// How the clock was set when `cache.db` was written last, and which of its rows are of this boot of the host: those go by the time that has
/// passed since they were written, whatever the wall clock is set to. The ends that stand in the file are of the wall clock as it was set then;
/// the first write after it was set moves those of this boot along, and until then readers reckon.
///
/// Of `session`, `user` and `temp`: a record of `spotify` only falls due, and is served all the same.
struct RowTimes: Sendable, Equatable {
    var setting: ClockSetting
    /// Rows of this version or a greater one are of this boot.
    var firstVersion: Int64

    /// Of the table `state`.
    static let columns = "boot_id, clock_offset, clock_since, boot_version"

    /// What must be added to the end of a row, in ms, to have it by the wall clock as it is set now.
    func shift(of version: Int64, at reading: ClockReading) -> Int64 {
        guard version >= firstVersion, case .set(let step) = setting.change(at: reading) else { return 0 }
        return step
    }

    /// Within a transaction, before all else.
    /// - Parameter lastVersion: the greatest that was given out.
    func settle(_ db: Database, _ reading: ClockReading, lastVersion: Int64) throws -> RowTimes {
        var present = self
        switch setting.change(at: reading) {
        case .none: return self
        case .otherBoot:
            // In a file that was never written there is nothing that a wrong clock could remove.
            present.setting = ClockSetting(reading, isFirst: lastVersion == 0)
            present.firstVersion = lastVersion + 1
        case .set(let step):
            present.setting = ClockSetting(reading)
            try db.execute(
                sql: """
                    UPDATE entries SET stored_at = stored_at + ?1, expires_at = iif(expires_at < ?3, expires_at + ?1, expires_at)
                    WHERE cache IN (1, 2, 3) AND version >= ?2
                    """, arguments: [step, firstVersion, Self.farthest])
        }
        let setting = present.setting
        try db.execute(
            sql: "UPDATE state SET boot_id = ?, clock_offset = ?, clock_since = ?, boot_version = ?",
            arguments: [setting.bootID, setting.offset, setting.since, present.firstVersion])
        return present
    }

    /// An end beyond it is for good, or as good as that.
    static let farthest: Int64 = 1 << 62
}
