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
        case .hit(let tier, let ttl, let freshness, let refusedWith):
            bytes.append("swingmusic-fcgi; hit; ttl=")
            bytes.append(decimal: Int(ttl))
            bytes.append(Self.detail(tier))
            if freshness == .stale { bytes.append("; fwd=stale") }
            guard let refusedWith else { return }
            bytes.append("; fwd-status=")
            bytes.append(decimal: refusedWith)
        case .miss: bytes.append("swingmusic-fcgi; fwd=miss")
        case .stored(joined: false): bytes.append("swingmusic-fcgi; fwd=miss; stored")
        case .stored(joined: true): bytes.append("swingmusic-fcgi; fwd=miss; stored; collapsed")
        }
    }

    private static func detail(_ tier: Tier) -> StaticString {
        switch tier {
        case .memory: "; detail=memory"
        case .dragonfly: "; detail=dragonfly"
        case .sqlite: "; detail=sqlite"
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
