import CSystem
import Glibc

/// Waiting for an eventfd.
enum Wake {
    /// Waits until the eventfd is written, and reads it empty, or until the time is over. -1 just waits.
    static func wait(on descriptor: CInt, for longest: Duration) {
        let (seconds, attoseconds) = max(longest, .zero).components
        let nanoseconds = UInt64(min(seconds, 86_400)) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
        if csys_wait_readable(descriptor, nanoseconds) > 0 { drain(descriptor) }
    }

    static func drain(_ descriptor: CInt) {
        var count: UInt64 = 0
        _ = read(descriptor, &count, MemoryLayout<UInt64>.size)
    }
}

extension Duration {
    /// Rounded up, so that a wait does not end in a row of empty rounds; between 0 and a day.
    var wholeMilliseconds: CInt {
        let (seconds, attoseconds) = max(self, .zero).components
        return CInt(min(seconds, 86_400) * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
