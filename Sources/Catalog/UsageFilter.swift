import CSystem
import Glibc

/// The records whose use was noted a short while ago: what is in steady use then costs a look at one word and not a note each time.
///
/// One word a record, told by its key's hash: one of the eight in the row, a cache line, that the hash chooses. A key that was pushed out of its
/// row only costs a note more.
///
/// `@unchecked Sendable`: the words are touched with atomic operations only.
final class RecentUses: @unchecked Sendable {
    /// Zeroed memory of which only what is touched takes room.
    private let memory: UnsafeMutableRawPointer?
    private let rows: UnsafeMutableRawPointer?
    private let span: UInt64

    private static let rowBytes = 64
    private static let rowCount: UInt64 = 1 << 13
    private static let spanBits: UInt64 = 0xFF_FFFF

    /// - Parameter ttl: `SPOTIFY_CACHE_TTL`. A use is noted again after a 24th of it: `RenewalPlan` looks back over two of it.
    init(ttl: Duration) {
        span = max(1, UInt64(clamping: ttl.wholeMilliseconds) / 24)
        memory = calloc(Int(Self.rowCount) + 1, Self.rowBytes)
        rows = memory?.alignedUp(toMultipleOf: Self.rowBytes)
    }

    deinit { free(memory) }

    /// Whether the use of a record has to be noted, which counts as done then.
    /// - Parameter now: CLOCK_MONOTONIC, nanoseconds.
    func isNews(_ key: [UInt8], now: UInt64) -> Bool {
        guard let rows else { return true }
        let hash = FNV.hash(key)
        let word = hash & ~Self.spanBits | (now / 1_000_000 / span + 1) & Self.spanBits
        let row = rows + Int(hash & (Self.rowCount - 1)) * Self.rowBytes
        // Where the record stood, or else what was noted longest ago goes.
        var place = row
        var oldest = UInt64.max
        for next in stride(from: row, to: row + Self.rowBytes, by: 8) {
            let held = csys_load64(next)
            if held == word { return false }
            let age = (held ^ word) & ~Self.spanBits == 0 ? 0 : held & Self.spanBits
            if age < oldest { (place, oldest) = (next, age) }
        }
        if oldest == word & Self.spanBits { place = row + Int(hash >> 61) * 8 }
        csys_store64(place, word)
        return true
    }
}
