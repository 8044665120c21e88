import CSystem
import Glibc
import Synchronization

// Time: lengths, instants, and the clock that is passed in.

// MARK: Lengths

/// Lengths of time as numbers, for system calls, files and headers. Each name says its unit and how it rounds.
///
/// What is cut off is cut towards zero. Nothing overflows: what is too long to be added to an instant is cut to what is not.
extension Duration {
    /// Whole seconds.
    public var wholeSeconds: Int64 { components.seconds }

    /// Whole milliseconds; at most some 35,000 years.
    public var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        guard seconds.magnitude < 1 << 40 else { return seconds < 0 ? -(1 << 50) : 1 << 50 }
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }

    /// Whole nanoseconds; at most some 73 years, so that four of them can be added.
    public var wholeNanoseconds: Int64 {
        let longest = Int64.max / 4
        let (seconds, attoseconds) = components
        let (product, overflows) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflows else { return seconds < 0 ? -longest : longest }
        return min(max(product, -longest), longest) + attoseconds / 1_000_000_000
    }

    /// Seconds, rounded up: who is told to come back in so many does not come too early.
    public var secondsRoundedUp: Int64 {
        let (seconds, attoseconds) = components
        return attoseconds > 0 ? seconds + 1 : seconds
    }

    /// Milliseconds for poll(2) and its like: rounded up, so that a wait does not end in a row of empty rounds; 0 to a day.
    public var pollMilliseconds: CInt {
        let (seconds, attoseconds) = max(self, .zero).components
        return CInt(min(seconds, 86_400) * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }

    /// Seconds with their fraction, for people and for interfaces that count so.
    public var fractionalSeconds: Double { Double(wholeNanoseconds) / 1e9 }
}

extension Duration {
    /// A length as it stands in settings: `<number><ms|s|m|h|d>`; nil for anything else.
    public init?(setting text: String) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard digits.count <= 12, let number = Int64(digits) else { return nil }
        switch text.dropFirst(digits.count) {
        case "ms": self = .milliseconds(number)
        case "s": self = .seconds(number)
        case "m": self = .seconds(number * 60)
        case "h": self = .seconds(number * 3600)
        case "d": self = .seconds(number * 86_400)
        default: return nil
        }
    }
}

// MARK: Instants

// Points in time, one type for each clock, so that an instant of one cannot be compared with another's. Arithmetic never traps: what is
// beyond the bounds is cut to them.

/// A time of the wall clock (CLOCK_REALTIME), in milliseconds since 1970: what is stored and shown. Anybody may set that clock at any time.
public struct WallTime: Sendable, Hashable, Comparable {
    public var milliseconds: Int64

    public init(milliseconds: Int64) { self.milliseconds = milliseconds }

    /// Later than all that happens: an entry without an end.
    public static let never = WallTime(milliseconds: .max)

    /// Whole seconds since 1970.
    public var seconds: Int64 { milliseconds >= 0 ? milliseconds / 1000 : (milliseconds - 999) / 1000 }

    public static func < (one: Self, other: Self) -> Bool { one.milliseconds < other.milliseconds }
    public static func + (time: Self, length: Duration) -> Self {
        Self(milliseconds: time.milliseconds.addingClamped(length.wholeMilliseconds))
    }
    public static func - (time: Self, length: Duration) -> Self {
        Self(milliseconds: time.milliseconds.addingClamped(-length.wholeMilliseconds))
    }
    /// How long it is from the second to the first; negative when the first is earlier.
    public static func - (later: Self, earlier: Self) -> Duration {
        .milliseconds(later.milliseconds.subtractingClamped(earlier.milliseconds))
    }

    /// `2026-11-22T19:33:00Z` (RFC 3339), the milliseconds left out.
    public var text: String {
        var second = time_t(seconds)
        var parts = tm()
        gmtime_r(&second, &parts)
        func digits(_ value: CInt, _ width: Int = 2) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        // tm_year is an Int32 that counts from 1900; `never` lies beyond it.
        let date = "\(digits(parts.tm_year &+ 1900, 4))-\(digits(parts.tm_mon + 1))-\(digits(parts.tm_mday))"
        return "\(date)T\(digits(parts.tm_hour)):\(digits(parts.tm_min)):\(digits(parts.tm_sec))Z"
    }

    /// `Sun, 22 Nov 2026 19:33:00 GMT`: the preferred form of a date in HTTP (RFC 9110, section 5.6.7).
    public var httpDate: String {
        var (second, parts) = (time_t(seconds), tm())
        gmtime_r(&second, &parts)
        func two(_ number: CInt) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let time = [parts.tm_hour, parts.tm_min, parts.tm_sec].map(two).joined(separator: ":")
        return
            "\(Self.weekdays[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(Self.months[Int(parts.tm_mon)]) \(parts.tm_year &+ 1900) \(time) GMT"
    }

    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// `2026-11-22T19:33:00.042Z`.
    public var preciseText: String {
        let fraction = String(milliseconds - seconds * 1000)
        return "\(text.dropLast()).\(String(repeating: "0", count: max(0, 3 - fraction.count)))\(fraction)Z"
    }
}

/// A time of CLOCK_MONOTONIC, in nanoseconds: for deadlines within one process. It stands still while the host is suspended.
public struct MonotonicTime: Sendable, Hashable, Comparable {
    public var nanoseconds: UInt64

    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// A deadline that does not come.
    public static let never = MonotonicTime(nanoseconds: .max)

    public static func < (one: Self, other: Self) -> Bool { one.nanoseconds < other.nanoseconds }
    public static func + (time: Self, length: Duration) -> Self {
        let added = length.wholeNanoseconds
        let (sum, overflows) =
            added < 0
            ? time.nanoseconds.subtractingReportingOverflow(added.magnitude) : time.nanoseconds.addingReportingOverflow(added.magnitude)
        return overflows ? Self(nanoseconds: added < 0 ? 0 : .max) : Self(nanoseconds: sum)
    }
    public static func - (time: Self, length: Duration) -> Self { time + .nanoseconds(-length.wholeNanoseconds) }
    /// How long it is from the second to the first; negative when the first is earlier.
    public static func - (later: Self, earlier: Self) -> Duration {
        later >= earlier
            ? .nanoseconds(Int64(clamping: later.nanoseconds - earlier.nanoseconds))
            : .nanoseconds(-Int64(clamping: earlier.nanoseconds - later.nanoseconds))
    }
}

/// A time of CLOCK_BOOTTIME, in nanoseconds: it goes on during suspend, is the same for all processes of one boot, and begins anew with
/// the next. Negative before that boot, where instants of an earlier one are carried over.
public struct BootTime: Sendable, Hashable, Comparable {
    public var nanoseconds: Int64

    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// Later than anything that is planned, and far enough from the bounds to be added to.
    public static let never = BootTime(nanoseconds: .max / 4)

    public static func < (one: Self, other: Self) -> Bool { one.nanoseconds < other.nanoseconds }
    public static func + (time: Self, length: Duration) -> Self {
        Self(nanoseconds: time.nanoseconds.addingClamped(length.wholeNanoseconds))
    }
    public static func - (time: Self, length: Duration) -> Self {
        Self(nanoseconds: time.nanoseconds.addingClamped(-length.wholeNanoseconds))
    }
    /// How long it is from the second to the first; negative when the first is earlier.
    public static func - (later: Self, earlier: Self) -> Duration {
        .nanoseconds(later.nanoseconds.subtractingClamped(earlier.nanoseconds))
    }
}

extension Int64 {
    fileprivate func addingClamped(_ other: Int64) -> Int64 {
        let (sum, overflows) = addingReportingOverflow(other)
        return overflows ? (other < 0 ? .min : .max) : sum
    }

    fileprivate func subtractingClamped(_ other: Int64) -> Int64 {
        let (difference, overflows) = subtractingReportingOverflow(other)
        return overflows ? (other < 0 ? .max : .min) : difference
    }
}

// MARK: Clocks

/// Where the program reads the time. A decision takes it as an argument, whoever acts on it has a clock passed in, and tests turn one by hand.
public protocol HostClock: Sendable {
    /// For what is stored and shown.
    var wall: WallTime { get }
    /// For deadlines within this process.
    var monotonic: MonotonicTime { get }
    /// For what processes of one boot agree on.
    var boot: BootTime { get }
    /// Tells the boot that `boot` counts from from others.
    var bootID: String { get }
}

/// The clocks of this host. A reading takes some 20 ns and no system call (vdso(7)).
public struct SystemClock: HostClock {
    public init() {}

    public var wall: WallTime { WallTime(milliseconds: csys_wall_ms()) }
    public var monotonic: MonotonicTime { MonotonicTime(nanoseconds: csys_monotonic_ns()) }
    public var boot: BootTime { BootTime(nanoseconds: Int64(clamping: csys_boottime_ns())) }

    /// `/proc/sys/kernel/random/boot_id` (proc(5)). Where there is none, all boots look alike.
    public var bootID: String { Self.bootID }

    private static let bootID: String = {
        let descriptor = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "unknown" }
        defer { close(descriptor) }
        var text = [UInt8](repeating: 0, count: 64)
        let count = read(descriptor, &text, text.count)
        let id = text.prefix(max(count, 0)).filter { $0 > 0x20 }
        return id.isEmpty ? "unknown" : String(decoding: id, as: UTF8.self)
    }()
}

/// Clocks that stand still until they are turned; for tests of every room.
public final class ManualClock: HostClock {
    private struct Hands {
        var wall: WallTime
        var monotonic = MonotonicTime(nanoseconds: 1_000_000_000)
        var boot: BootTime
        var bootID: String
    }

    private let hands: Mutex<Hands>

    /// - Parameters:
    ///   - wall: milliseconds since 1970; the year 2027.
    ///   - uptime: since the boot.
    public init(wall: Int64 = 1_800_000_000_000, uptime: Duration = .seconds(100_000), bootID: String = "boot 1") {
        hands = Mutex(
            Hands(wall: WallTime(milliseconds: wall), boot: BootTime(nanoseconds: uptime.wholeNanoseconds), bootID: bootID))
    }

    public var wall: WallTime { hands.withLock { $0.wall } }
    public var monotonic: MonotonicTime { hands.withLock { $0.monotonic } }
    public var boot: BootTime { hands.withLock { $0.boot } }
    public var bootID: String { hands.withLock { $0.bootID } }

    /// Time passes, on all clocks.
    public func advance(_ length: Duration) {
        hands.withLock { hands in
            hands.wall = hands.wall + length
            hands.monotonic = hands.monotonic + length
            hands.boot = hands.boot + length
        }
    }

    /// Somebody sets the wall clock, in milliseconds since 1970.
    public func set(wall: Int64) { hands.withLock { $0.wall = WallTime(milliseconds: wall) } }

    /// The host is switched off for a while and starts again.
    public func reboot(_ bootID: String, down: Duration, uptime: Duration = .seconds(20)) {
        hands.withLock { hands in
            hands.wall = hands.wall + down + uptime
            hands.monotonic = MonotonicTime(nanoseconds: 0) + uptime
            hands.boot = BootTime(nanoseconds: uptime.wholeNanoseconds)
            hands.bootID = bootID
        }
    }
}
