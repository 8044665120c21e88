/// What the clocks of the host say together.
public struct ClockReading: Sendable, Equatable {
    /// Identifies the boot that `boot` counts from.
    public var bootID: String
    /// Milliseconds on CLOCK_BOOTTIME.
    public var boot: Int64
    /// Milliseconds since 1970.
    public var wall: Int64

    public init(bootID: String, boot: Int64, wall: Int64) {
        self.bootID = bootID
        self.boot = boot
        self.wall = wall
    }

    /// How far the wall clock is ahead of the boot clock, in ms: the same as long as nobody sets it. A clock that is slewed (adjtimex(2)) takes
    /// the other one with it.
    public var offset: Int64 { wall - boot }
}

extension HostClock {
    /// Both clocks at one moment: a thread that was stopped between the two readings reads again. No system call.
    public func reading() -> ClockReading {
        var before = boot
        for _ in 0..<8 {
            let wall = self.wall
            let after = boot
            if after - before < .milliseconds(50) {
                return ClockReading(bootID: bootID, boot: milliseconds(after), wall: wall.milliseconds)
            }
            before = after
        }
        return ClockReading(bootID: bootID, boot: milliseconds(boot), wall: wall.milliseconds)
    }

    private func milliseconds(_ time: BootTime) -> Int64 { time.nanoseconds / 1_000_000 }
}

/// How the wall clock was set when it was last looked at, as it is kept in a file: what was written down under it in this boot is judged by
/// the time that has passed since, whatever the wall clock is set to later.
public struct ClockSetting: Sendable, Equatable {
    public var bootID: String
    /// `ClockReading.offset`.
    public var offset: Int64
    /// When it was first seen, in ms since the boot.
    public var since: Int64

    /// For so long nothing is removed for its age after the clock was set or the host started: such a clock may be wrong, and be set right soon.
    public static let settling: Int64 = 3_600_000
    /// Less is no setting: readings are cut to milliseconds, and tokens to seconds.
    private static let tolerance: Int64 = 1000

    public init(bootID: String, offset: Int64, since: Int64) {
        self.bootID = bootID
        self.offset = offset
        self.since = since
    }

    /// The setting that a reading shows.
    /// - Parameter isFirst: of a file that holds nothing older yet, so that nothing is to be waited for.
    public init(_ reading: ClockReading, isFirst: Bool = false) {
        self.init(bootID: reading.bootID, offset: reading.offset, since: isFirst ? reading.boot - Self.settling : reading.boot)
    }

    public enum Change: Sendable, Equatable {
        case none
        /// Somebody set the wall clock, by so many ms.
        case set(by: Int64)
        /// The host was started since: what lay between is known by the wall clock alone.
        case otherBoot
    }

    public func change(at reading: ClockReading) -> Change {
        guard isOfBoot(of: reading) else { return .otherBoot }
        let step = reading.offset - offset
        return abs(step) < Self.tolerance ? .none : .set(by: step)
    }

    /// A boot clock that ran backwards is another boot's, where there is no boot id.
    public func isOfBoot(of reading: ClockReading) -> Bool { bootID == reading.bootID && reading.boot >= since }

    /// Whether the wall clock has been as it is for long enough that what has expired by it may be removed.
    public func isSettled(at reading: ClockReading) -> Bool { change(at: reading) == .none && reading.boot - since >= Self.settling }
}
