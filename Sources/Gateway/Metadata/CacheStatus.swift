import CSystem
import Caching
import Catalog
import FastCGI

/// What the `Cache-Status` header says of an answer (RFC 9211).
enum CacheStatus: Sendable, Equatable {
    /// A stored answer.
    /// - Parameters:
    ///   - ttl: seconds; negative when it is stale.
    ///   - refusedWith: what Spotify said when it was asked last; the answer is what it said before (`fwd-status`).
    case hit(Tier, ttl: Int64, Freshness, refusedWith: Int?)
    case miss
    /// A stored answer that this request waited for.
    /// - Parameter joined: the call was another request's.
    case stored(joined: Bool)

    /// A cache's own entry.
    init(_ found: Found) {
        let now = csys_wall_ms()
        let ttl = found.entry.expiresAt == .max ? .max / 1000 : (found.entry.expiresAt - now) / 1000
        self = .hit(found.tier, ttl: ttl, Freshness(expiresAt: found.entry.expiresAt, now: now), refusedWith: nil)
    }

    /// Appends the header's value.
    func write(to bytes: inout [UInt8]) {
        switch self {
        case let .hit(tier, ttl, freshness, refusedWith):
            Self.append("swingmusic-fcgi; hit; ttl=", to: &bytes)
            Self.append(decimal: ttl, to: &bytes)
            Self.append(Self.detail(tier), to: &bytes)
            if freshness == .stale { Self.append("; fwd=stale", to: &bytes) }
            guard let refusedWith else { return }
            Self.append("; fwd-status=", to: &bytes)
            Self.append(decimal: Int64(refusedWith), to: &bytes)
        case .miss: Self.append("swingmusic-fcgi; fwd=miss", to: &bytes)
        case .stored(joined: false): Self.append("swingmusic-fcgi; fwd=miss; stored", to: &bytes)
        case .stored(joined: true): Self.append("swingmusic-fcgi; fwd=miss; stored; collapsed", to: &bytes)
        }
    }

    private static func detail(_ tier: Tier) -> StaticString {
        switch tier {
        case .memory: "; detail=memory"
        case .dragonfly: "; detail=dragonfly"
        case .sqlite: "; detail=sqlite"
        }
    }

    private static func append(_ text: StaticString, to bytes: inout [UInt8]) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    private static func append(decimal number: Int64, to bytes: inout [UInt8]) {
        if number < 0 { bytes.append(UInt8(ascii: "-")) }
        var divisor: UInt64 = 1
        while number.magnitude / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            bytes.append(UInt8(ascii: "0") + UInt8(number.magnitude / divisor % 10))
            divisor /= 10
        }
    }
}

extension Response {
    /// Adds the header, and notes what is counted of it.
    mutating func add(_ status: CacheStatus) {
        add("Cache-Status") { status.write(to: &$0) }
        note = status.note
    }
}
