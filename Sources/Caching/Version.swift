/// The numbers that order all writes of one `cache.db`.
///
/// A version is the wall clock in milliseconds shifted by 20 bits, with random bits below it, or one more than the last
/// when that is greater. So it grows with every write whatever the clock does, and a file that was restored from a
/// backup, or lost its last commits to a power cut (`synchronous=NORMAL`), does not hand out a number again whose copy may
/// still be in DragonflyDB.
enum Version {
    static let randomBits: Int64 = 20

    static func next(after last: Int64, now: Int64, random: UInt32) -> Int64 {
        let clocked = min(max(now, 0), 1 << 42) << randomBits | Int64(random) & ((1 << randomBits) - 1)
        return max(last + 1, clocked)
    }

    /// The instant a version was given out, in wall-clock milliseconds (later than that when the clock was set back).
    static func instant(of version: Int64) -> Int64 { version >> randomBits }
}
