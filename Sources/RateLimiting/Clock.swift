import CSystem
import Foundation

/// One reading of the clocks.
public struct Moment: Sendable, Equatable {
    /// Identifies the boot that `boot` counts from.
    public var bootID: String
    /// CLOCK_BOOTTIME in nanoseconds: goes on during suspend, begins anew with every boot.
    public var boot: UInt64
    /// Milliseconds since 1970. May be set by anybody at any time.
    public var wall: Int64

    public init(bootID: String, boot: UInt64, wall: Int64) {
        self.bootID = bootID
        self.boot = boot
        self.wall = wall
    }

    var instant: Instant { Instant(clamping: boot) }

    /// The wall-clock time of an instant, in milliseconds since 1970, rounded up: nobody comes too early.
    func wall(of instant: Instant) -> Int64 {
        let ahead = instant - self.instant
        return wall + (ahead > 0 ? (ahead + 999_999) / 1_000_000 : ahead / 1_000_000)
    }

    /// The instant of a wall-clock time in milliseconds since 1970; at most a century away.
    func instant(ofWall other: Int64) -> Instant {
        let century: Int64 = 36_525 * 86_400_000
        let (ahead, overflow) = other.subtractingReportingOverflow(wall)
        let bounded = overflow ? (other < 0 ? -century : century) : Swift.min(Swift.max(ahead, -century), century)
        return instant + bounded * 1_000_000
    }
}

/// Where the limiter reads the time.
public protocol LimiterClock: Sendable {
    func now() -> Moment
}

/// The clocks of this host.
public struct HostLimiterClock: LimiterClock {
    private let bootID: String

    /// Reads the boot id (proc(5), /proc/sys/kernel/random/boot_id). Where there is none, all boots look alike;
    /// `Timeline` then sees a reboot only by a boot time that ran backwards, and errs to the slow side otherwise.
    public init() {
        let text = try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
        bootID = text.map { $0.trimmingCharacters(in: .whitespacesAndNewlines) } ?? "unknown"
    }

    public func now() -> Moment {
        Moment(bootID: bootID, boot: csys_boottime_ns(), wall: csys_wall_ms())
    }
}

/// A point in time as the limiter's file keeps it: nanoseconds on CLOCK_BOOTTIME of the boot the file was last
/// used in; negative before that boot. Instants of one file can be compared and subtracted, whatever happened
/// to the wall clock (`Timeline` carries them over a reboot).
typealias Instant = Int64

extension Instant {
    /// Later than anything that is planned, and far enough from overflow to be added to.
    static var never: Instant { .max / 4 }
}

extension Duration {
    /// Whole nanoseconds; lengths beyond some 73 years are cut to that.
    var inNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds < 0 ? -Instant.never : Instant.never }
        return Swift.min(Swift.max(product, -Instant.never), Instant.never) + attoseconds / 1_000_000_000
    }
}

/// The last moment the file was written: the boot that its instants count from, and what both clocks said.
///
/// Within one boot the boot-time clock rules, and setting the wall clock changes nothing. After a reboot all
/// instants are moved by one and the same amount, so that the time between two calls of an earlier boot stays
/// exact, and the time since the last write is what the wall clock says. If the wall clock went back
/// meanwhile, no time is taken to have passed: that makes calls look more recent than they are and what is left
/// of a cooldown longer, never the other way round. (A wall clock that is set forward during a reboot cannot be
/// told from a long pause.)
struct Timeline: Equatable {
    var bootID: String
    var instant: Instant
    var wall: Int64

    init(_ moment: Moment) {
        self.init(bootID: moment.bootID, instant: moment.instant, wall: moment.wall)
    }

    init(bootID: String, instant: Instant, wall: Int64) {
        self.bootID = bootID
        self.instant = instant
        self.wall = wall
    }

    /// What must be added to every instant of the file at `moment`; nil when they count from the same boot.
    ///
    /// A boot clock that ran backwards is another boot's, or another time namespace's (time_namespaces(7)).
    func shift(to moment: Moment) -> Int64? {
        guard moment.bootID != bootID || moment.instant < instant else { return nil }
        let tenYears: Int64 = 3653 * 86_400_000
        let (difference, overflow) = moment.wall.subtractingReportingOverflow(wall)
        // Both readings were cut to milliseconds: one is taken off, lest a part of one be counted twice.
        let elapsed = overflow ? 0 : min(max(difference - 1, 0), tenYears)
        return moment.instant - elapsed * 1_000_000 - instant
    }
}
