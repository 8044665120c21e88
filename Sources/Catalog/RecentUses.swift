import CSystem
import Glibc

/// The records whose use was noted a short while ago: what is in steady use then costs a look at one word and not a note each time.
///
/// One word a place, found and told by the key's hash. Two keys at one place only cost a note more.
///
/// `@unchecked Sendable`: the words are touched with atomic operations only.
final class RecentUses: @unchecked Sendable {
    /// Zeroed memory of which only what is touched takes room.
    private let words: UnsafeMutableRawPointer?
    private let span: UInt64

    private static let places: UInt64 = 1 << 16
    private static let spanBits: UInt64 = 0xFF_FFFF

    /// - Parameter ttl: `SPOTIFY_CACHE_TTL`. A use is noted again after a 24th of it: `RenewalPlan` looks back over two of it.
    init(ttl: Duration) {
        span = max(1, UInt64(clamping: ttl.wholeMilliseconds) / 24)
        words = calloc(Int(Self.places), 8)
    }

    deinit { free(words) }

    /// Whether the use of a record has to be noted, which counts as done then.
    /// - Parameter now: CLOCK_MONOTONIC, nanoseconds.
    func isNews(_ key: [UInt8], now: UInt64) -> Bool {
        guard let words else { return true }
        let hash = FNV.hash(key)
        let word = hash & ~Self.spanBits | (now / 1_000_000 / span + 1) & Self.spanBits
        let place = words + Int((hash & (Self.places - 1)) * 8)
        guard csys_load64(place) != word else { return false }
        csys_store64(place, word)
        return true
    }
}
