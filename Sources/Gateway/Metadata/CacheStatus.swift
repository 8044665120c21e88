import CSystem
import Caching
import Catalog

/// The `Cache-Status` header's value (RFC 9211).
enum CacheStatus {
    static let miss = "swingmusic-fcgi; fwd=miss"

    /// A stored answer that this request waited for.
    /// - Parameter joined: the call was another request's.
    static func stored(joined: Bool) -> String { joined ? miss + "; stored; collapsed" : miss + "; stored" }

    /// A cache's own entry.
    static func hit(_ found: Found) -> [UInt8] {
        let now = csys_wall_ms()
        let ttl = found.entry.expiresAt == .max ? .max / 1000 : (found.entry.expiresAt - now) / 1000
        return hit(tier: found.tier, ttl: ttl, freshness: Freshness(expiresAt: found.entry.expiresAt, now: now))
    }

    /// - Parameter refusedWith: what Spotify said when it was asked last; the answer is what it said before (RFC 9211, `fwd-status`).
    static func hit(tier: Tier, ttl: Int64, freshness: Freshness, refusedWith: Int? = nil) -> [UInt8] {
        var bytes = Array("swingmusic-fcgi; hit; ttl=".utf8)
        appendDecimal(ttl, to: &bytes)
        bytes += detail(tier)
        if freshness == .stale { bytes += Array("; fwd=stale".utf8) }
        if let refusedWith {
            bytes += Array("; fwd-status=".utf8)
            appendDecimal(Int64(refusedWith), to: &bytes)
        }
        return bytes
    }

    private static func detail(_ tier: Tier) -> [UInt8] {
        switch tier {
        case .memory: Array("; detail=memory".utf8)
        case .dragonfly: Array("; detail=dragonfly".utf8)
        case .sqlite: Array("; detail=sqlite".utf8)
        }
    }

    private static func appendDecimal(_ number: Int64, to bytes: inout [UInt8]) {
        if number < 0 { bytes.append(UInt8(ascii: "-")) }
        var rest = number.magnitude
        let start = bytes.count
        repeat {
            bytes.append(UInt8(ascii: "0") + UInt8(rest % 10))
            rest /= 10
        } while rest > 0
        bytes[start...].reverse()
    }
}
