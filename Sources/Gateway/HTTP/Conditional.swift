import Caching
import Catalog
import FastCGI
import Platform

/// What a metadata request wants of an answer besides its content.
struct Conditional: Sendable {
    /// `If-None-Match`.
    var condition: String?
    var errorFormat: ErrorFormat
    /// The family's words for 404; Spotify's own when nil.
    var notFound: String?

    init(_ request: Request, _ errorFormat: ErrorFormat, notFound: String? = nil) {
        self.notFound = notFound
        condition = request.header(MetadataAnswers.condition)
        self.errorFormat = errorFormat
    }
}

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
        let now = SystemClock().wall.milliseconds
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
            if let refusedWith {
                bytes.append("; fwd-status=")
                bytes.append(decimal: refusedWith)
            }
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
        add { lines in
            lines.append("Cache-Status: ")
            status.write(to: &lines)
            lines.append("\r\n")
        }
        note = status.note
    }
}

/// Entity tags (RFC 9110, 8.8.3) and the condition on them (13.1.2).
enum EntityTag {
    /// Appends a strong tag: 16 hexadecimal digits in quotes.
    static func write(_ tag: UInt64, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        Hexadecimal.append(tag, to: &bytes)
        bytes.append(UInt8(ascii: "\""))
    }

    /// Whether `If-None-Match` names the tag; weak comparison.
    static func matches(_ header: String, _ tag: UInt64) -> Bool {
        var text: [UInt8] = []
        write(tag, to: &text)
        return header.split(separator: ",").contains { item in
            var candidate = item.drop { $0 == " " || $0 == "\t" }
            while candidate.last == " " || candidate.last == "\t" { candidate.removeLast() }
            if candidate == "*" { return true }
            if candidate.hasPrefix("W/") { candidate = candidate.dropFirst(2) }
            return candidate.utf8.elementsEqual(text)
        }
    }
}
