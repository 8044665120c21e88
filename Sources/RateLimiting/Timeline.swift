import GRDB
import Platform

// Instants of `limiter.db` are `BootTime`: nanoseconds on CLOCK_BOOTTIME of the boot the file was last used in, negative before that boot.
// They can be compared and subtracted, whatever happened to the wall clock.

/// One reading of the clocks.
struct Moment: Sendable, Equatable {
    /// Identifies the boot that `boot` counts from.
    var bootID: String
    var boot: BootTime
    var wall: WallTime

    init(bootID: String, boot: BootTime, wall: WallTime) {
        self.bootID = bootID
        self.boot = boot
        self.wall = wall
    }

    init(_ clock: any HostClock) { self.init(bootID: clock.bootID, boot: clock.boot, wall: clock.wall) }

    /// The wall-clock time of an instant, in milliseconds since 1970, rounded up: nobody comes too early.
    func wall(of instant: BootTime) -> Int64 {
        let ahead = instant.nanoseconds - boot.nanoseconds
        return wall.milliseconds + (ahead > 0 ? (ahead + 999_999) / 1_000_000 : ahead / 1_000_000)
    }

    /// The instant of a wall-clock time in milliseconds since 1970; at most a century away.
    func instant(ofWall other: Int64) -> BootTime {
        let century: Int64 = 36_525 * 86_400_000
        let (ahead, overflow) = other.subtractingReportingOverflow(wall.milliseconds)
        let bounded = overflow ? (other < 0 ? -century : century) : min(max(ahead, -century), century)
        return BootTime(nanoseconds: boot.nanoseconds + bounded * 1_000_000)
    }
}

/// The last moment the file was written: the boot that its instants count from, and what both clocks said.
///
/// Within one boot the boot-time clock rules, and setting the wall clock changes nothing. After a reboot all
/// instants are moved by one and the same amount, so that the time between two calls of an earlier boot stays
/// exact, and the time since the last write is what the wall clock says. If the wall clock went back
/// meanwhile, no time is taken to have passed: that makes calls look more recent than they are and what is left
/// of a cooldown longer, never the other way round. (A wall clock that is set forward during a reboot cannot be
/// told from a long pause. Where there is no boot id, a reboot shows only by a boot time that ran backwards.)
struct Timeline: Equatable {
    var bootID: String
    var instant: BootTime
    /// Milliseconds since 1970.
    var wall: Int64

    /// What must be added to every instant of the file at `moment`; nil when they count from the same boot.
    ///
    /// A boot clock that ran backwards is another boot's, or another time namespace's (time_namespaces(7)).
    func shift(to moment: Moment) -> Duration? {
        guard moment.bootID != bootID || moment.boot < instant else { return nil }
        let tenYears: Int64 = 3653 * 86_400_000
        let (difference, overflow) = moment.wall.milliseconds.subtractingReportingOverflow(wall)
        // Both readings were cut to milliseconds: one is taken off, lest a part of one be counted twice.
        let elapsed = overflow ? 0 : min(max(difference - 1, 0), tenYears)
        return .nanoseconds(moment.boot.nanoseconds - elapsed * 1_000_000 - instant.nanoseconds)
    }
}

/// As it stands in the file: nanoseconds.
extension BootTime: DatabaseValueConvertible, StatementColumnConvertible {
    public var databaseValue: DatabaseValue { nanoseconds.databaseValue }

    public static func fromDatabaseValue(_ value: DatabaseValue) -> BootTime? {
        Int64.fromDatabaseValue(value).map { BootTime(nanoseconds: $0) }
    }

    public init?(sqliteStatement: SQLiteStatement, index: CInt) {
        self.init(nanoseconds: Int64(sqliteStatement: sqliteStatement, index: index))
    }
}
