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
