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
    var keeping: Keeping

    /// Who may keep the answer for a moment, where it is fresh.
    enum Keeping: Sendable {
        /// It is another for another user, is not made of records alone, or is for who has a session: to be asked for again each time.
        case nobody
        case caller
        /// nginx too, which has said that it would (`microcache.conf`).
        case nginx
    }

    /// - Parameter mayBeKept: whether it is the same for all who ask.
    init(_ request: Request, _ errorFormat: ErrorFormat, notFound: String? = nil, mayBeKept: Bool = false) {
        self.notFound = notFound
        keeping = !mayBeKept ? .nobody : request.isOfMicrocache ? .nginx : .caller
        condition = request.header(MetadataAnswers.condition)
        self.errorFormat = errorFormat
    }
}

extension Request {
    /// Whether it comes through nginx's cache. No client can say so: what clients send has HTTP_ before its name.
    fileprivate var isOfMicrocache: Bool { withParameter("NGINX_MICROCACHE") { !$0.isEmpty } ?? false }
}

/// How long others may keep a fresh answer.
enum Freshening {
    /// Seconds for who has asked. While it asks again it may use the answer for ten minutes more (RFC 5861, section 3).
    static let longest: Int64 = 60
    /// Seconds for nginx's cache, which asks again in the background and gives nothing out after ten (`microcache.conf`).
    static let microcache: Int64 = 3

    /// Appends `Cache-Control`, and what nginx's cache reads.
    /// - Parameter ttl: seconds for which it is still fresh; 0 and less: it is not.
    static func write(_ keeping: Conditional.Keeping, ttl: Int64, isHit: Bool, to lines: inout [UInt8]) {
        guard keeping != .nobody, ttl > 0 else { return lines.append("Cache-Control: private, max-age=0\r\n") }
        if keeping == .nginx, isHit {
            // Before Cache-Control: nginx up to 1.22 stops at `private` else.
            lines.append("X-Accel-Expires: ")
            lines.append(decimal: Int(min(ttl, microcache)))
            lines.append("\r\nDate: ")
            lines.append(contentsOf: SystemClock().wall.httpDate.utf8)
            lines.append("\r\n")
        }
        lines.append("Cache-Control: private, max-age=")
        lines.append(decimal: Int(min(ttl, longest)))
        lines.append(", stale-while-revalidate=600\r\n")
    }
}

/// What the `Cache-Status` header says of an answer (RFC 9211).
enum CacheStatus: Sendable, Equatable {
    /// A stored answer.
    /// - Parameters:
    ///   - ttl: seconds; negative when it is stale.
    ///   - refusedWith: what Spotify said when it was asked last; the answer is what it said before.
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
            // `hit` and `fwd` exclude each other (section 2.2): that it is stale is said by its ttl alone.
            bytes.append(decimal: Int(freshness == .stale ? min(ttl, -1) : ttl))
            bytes.append(Self.detail(tier))
            if let refusedWith {
                bytes.append("/")
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
    /// The bits of a note that are this header's; the others are `Reason`'s.
    private static let statusMask = 0x1ff

    /// Adds the header, and notes what is counted of it.
    mutating func add(_ status: CacheStatus) {
        add { lines in
            lines.append("Cache-Status: ")
            status.write(to: &lines)
            lines.append("\r\n")
        }
        note = note & ~Self.statusMask | status.note
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
