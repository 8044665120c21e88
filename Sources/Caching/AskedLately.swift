import CSystem
import Glibc

/// Which keys were asked for in the last seconds: the doorkeeper of TinyLFU (Einziger, Friedman, Manes 2017), one word a place.
/// Two keys at one place may hide each other; that costs a look into the tier below.
///
/// `@unchecked Sendable`: the words are touched with atomic operations only.
final class AskedLately: @unchecked Sendable {
    /// Zeroed memory of which only what is touched takes room.
    private let words: UnsafeMutableRawPointer?
    private let span: UInt64

    private static let places: UInt64 = 1 << 14
    private static let spanBits: UInt64 = 0xFFFF

    /// - Parameter span: nanoseconds; a key is remembered for one to two of it.
    init(span: UInt64) {
        self.span = max(1, span)
        words = calloc(Int(Self.places), 8)
    }

    deinit { free(words) }

    /// Notes a key, and says whether it had been noted lately.
    /// - Parameter now: CLOCK_MONOTONIC, nanoseconds.
    func isRepeated(_ hash: UInt64, now: UInt64) -> Bool {
        guard let words else { return true }
        let place = words + Int((hash >> 16 & (Self.places - 1)) * 8)
        let period = (now / span + 1) & Self.spanBits
        let word = csys_load64(place)
        csys_store64(place, hash & ~Self.spanBits | period)
        let isSameKey = word & ~Self.spanBits == hash & ~Self.spanBits
        return isSameKey && (word & Self.spanBits == period || word & Self.spanBits == (period &- 1) & Self.spanBits)
    }
}
