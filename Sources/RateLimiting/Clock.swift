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

/// Where the turnstile reads the time.
public protocol TurnstileClock: Sendable {
    func now() -> Moment
}

/// The clocks of this host.
public struct SystemClock: TurnstileClock {
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
