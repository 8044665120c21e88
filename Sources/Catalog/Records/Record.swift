import Crypto
import JSON
import Platform
import Spotify

/// What the caches hold of a resource: Spotify's answer as bytes, with what is needed to serve it without reading it.
///
/// Shape: `R`, the layout's version, flags, the number n of link places, 8 bytes of tag, n little-endian UInt32 offsets into
/// the body, the body, and behind it, where a flag says so, what it lacks (`StoredFields`). A link place is where the mirror's own scheme and
/// host are put in per request; they are never stored. Version 2 has `wholeAt` as a little-endian Int64 behind the tag, version 1 has none.
public struct Record: Sendable, Equatable {
    /// JSON in UTF-8; of a record that was read, a part of its stored form.
    public var body: ArraySlice<UInt8>
    /// Offsets into `body`, ascending, where a request's base URL belongs.
    public var linkPlaces: [UInt32]
    /// The status (404, 403, 400; 502 for an answer that had no form) with which Spotify refused it the last time; the body is what it once was.
    public var refusedWith: Int?
    /// A playlist that was answered in extended mode's form.
    public var isExtended: Bool
    /// A playlist whose items Spotify keeps from this account. Its empty page was put in; never stored.
    public var lacksItems = false
    /// When what an album does not say of its tracks was answered last, wall-clock milliseconds, where the rest is newer: a list renewed it.
    public var wholeAt: Int64?
    /// The first 64 bits of the body's SHA-256: the same in every worker and after every restart.
    public var tag: UInt64

    public init(
        body: [UInt8], linkPlaces: [UInt32] = [], refusedWith: Int? = nil, isExtended: Bool = false, wholeAt: Int64? = nil
    ) {
        self.body = body[...]
        self.linkPlaces = linkPlaces
        self.refusedWith = refusedWith
        self.isExtended = isExtended
        self.wholeAt = wholeAt
        self.tag = SHA256.hash(data: body).prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// A form of a record whose tag is known.
    init(form body: ArraySlice<UInt8>, linkPlaces: [UInt32], refusedWith: Int?, isExtended: Bool, tag: UInt64) {
        self.body = body
        self.linkPlaces = linkPlaces
        self.refusedWith = refusedWith
        self.isExtended = isExtended
        self.tag = tag
    }

    private static let magic = UInt8(ascii: "R")
    private static let layout: UInt8 = 1
    /// With `wholeAt`.
    private static let layoutOfParts: UInt8 = 2
    private static let fixedSize = 12

    /// Workers of before look at those alone that they know.
    private enum Flag {
        static let extended: UInt8 = 2
        static let storedFields: UInt8 = 32

        static func of(_ status: Int?) -> UInt8 {
            switch status {
            case 404: 1
            case 403: 4
            case 400: 8
            case 502: 16
            default: 0
            }
        }

        /// The refusal's status.
        static func status(in flags: UInt8) -> Int? {
            guard flags & 29 != 0 else { return nil }
            return [404, 403, 400, 502].first { flags & of($0) != 0 }
        }
    }

    /// The stored form.
    public var encoded: [UInt8] { encoded(lacking: nil) }

    /// The stored form, with what the body lacks where that is known.
    func encoded(lacking fields: StoredFields?) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.fixedSize + 8 + 4 * linkPlaces.count + body.count + (fields?.words.count ?? 0) * 12 + 16)
        let flags = Flag.of(refusedWith) | (isExtended ? Flag.extended : 0)
        bytes += [Self.magic, wholeAt == nil ? Self.layout : Self.layoutOfParts, flags, UInt8(truncatingIfNeeded: linkPlaces.count)]
        withUnsafeBytes(of: tag.littleEndian) { bytes.append(contentsOf: $0) }
        if let wholeAt { withUnsafeBytes(of: wholeAt.littleEndian) { bytes.append(contentsOf: $0) } }
        for place in linkPlaces { withUnsafeBytes(of: place.littleEndian) { bytes.append(contentsOf: $0) } }
        bytes += body
        if let fields, fields.append(to: &bytes) { bytes[2] |= Flag.storedFields }
        return bytes
    }

    /// Whether a stored form says itself what its body lacks.
    static func hasStoredFields(_ encoded: [UInt8]) -> Bool { tag(ofEncoded: encoded) != nil && encoded[2] & Flag.storedFields != 0 }

    /// What a stored form says itself that its body lacks.
    static func storedFields(ofEncoded bytes: [UInt8]) -> StoredFields? {
        guard hasStoredFields(bytes) else { return nil }
        return bytes.withUnsafeBytes { bytes in
            let body = bytes.count - placesStart(bytes[1]) - 4 * Int(bytes[3]) - StoredFields.length(endOf: bytes)
            return body < 0 ? nil : StoredFields(endOf: bytes, bodyCount: body)
        }
    }

    /// The tag that a stored form has; nil for bytes that are none.
    static func tag(ofEncoded bytes: [UInt8]) -> UInt64? {
        guard bytes.count >= fixedSize, bytes[0] == magic, bytes[1] == layout || bytes[1] == layoutOfParts else { return nil }
        return bytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: 4, as: UInt64.self)) }
    }

    /// Where the link places begin, by the layout's version.
    private static func placesStart(_ layout: UInt8) -> Int { layout == layoutOfParts ? fixedSize + 8 : fixedSize }

    /// Reads the stored form; nil for bytes that are none (a foreign value, a newer layout), which is then a miss.
    public init?(encoded bytes: [UInt8]) {
        guard bytes.count >= Self.fixedSize, bytes[0] == Self.magic, bytes[1] == Self.layout || bytes[1] == Self.layoutOfParts else {
            return nil
        }
        let places = Int(bytes[3])
        let placesStart = Self.placesStart(bytes[1])
        let bodyStart = placesStart + 4 * places
        let bodyEnd =
            bytes[2] & Flag.storedFields == 0 ? bytes.count : bytes.count - bytes.withUnsafeBytes { StoredFields.length(endOf: $0) }
        guard bodyEnd >= bodyStart else { return nil }
        if placesStart > Self.fixedSize {
            wholeAt = bytes.withUnsafeBytes { Int64(littleEndian: $0.loadUnaligned(fromByteOffset: Self.fixedSize, as: Int64.self)) }
        }
        refusedWith = Flag.status(in: bytes[2])
        isExtended = bytes[2] & Flag.extended != 0
        (tag, linkPlaces) = bytes.withUnsafeBytes { raw in
            (
                UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: 4, as: UInt64.self)),
                (0..<places).map {
                    UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: placesStart + 4 * $0, as: UInt32.self))
                }
            )
        }
        body = bytes[bodyStart..<bodyEnd]
        // Who can write the store can write any; what is served is put together by them.
        guard !linkPlaces.isEmpty else { return }
        guard linkPlaces.allSatisfy({ $0 <= body.count }), zip(linkPlaces, linkPlaces.dropFirst()).allSatisfy(<) else { return nil }
    }

    /// The body with a request's own scheme and host in its links, and without their first part where the request had none.
    /// - Parameter parameter: what its links say as well, where they do not yet.
    public func body(linkedTo base: LinkBase, naming parameter: (name: String, value: String)? = nil) -> ArraySlice<UInt8> {
        guard !linkPlaces.isEmpty else { return body }
        var linked: [UInt8] = []
        linked.reserveCapacity(body.count + linkPlaces.count * (base.origin.utf8.count + 40))
        var start = body.startIndex
        for place in linkPlaces {
            let end = body.startIndex + Int(place)
            // A place within the link before it is none.
            guard end >= start else { continue }
            linked += body[start..<end]
            linked += base.origin.utf8
            start = end
            if base.isBare, body[end...].starts(with: MirrorLink.folder.utf8) { start += MirrorLink.folder.utf8.count }
            guard let parameter else { continue }
            let link = body[start..<endOfText(from: start)]
            linked += link
            linked += MirrorLink.addition(of: parameter, to: link).utf8
            start = link.endIndex
        }
        return (linked + body[start...])[...]
    }

    /// Where the quotation mark stands that ends a text.
    private func endOfText(from start: Int) -> Int {
        var at = start
        while at < body.endIndex, body[at] != UInt8(ascii: "\"") { at += body[at] == UInt8(ascii: "\\") ? 2 : 1 }
        return min(at, body.endIndex)
    }
}

/// Where a request found the mirror: what its links begin with. Never stored.
public struct LinkBase: Sendable, Equatable {
    /// `https://host`; empty where the request names no host that could be written.
    public var origin: String
    /// Asked as `/v1/...`, on a host name of the mirror's own, and not as `/spotify/v1/...`.
    public var isBare: Bool

    public init(_ origin: String, isBare: Bool = false) {
        self.origin = origin
        self.isBare = isBare
    }

    /// Up to `/v1`.
    var root: String { origin + (isBare ? "/v1" : MirrorLink.folder + "/v1") }
}

/// The mirror's links: those that it writes for its own lists, and Spotify's made into its own. Every one of them is a path and a query
/// that the mirror reads.
enum MirrorLink {
    /// What a link has beyond a bare host's: stored links have it, and lose it where they are served without.
    static let folder = "/spotify"

    private static let spotify = ["https://api.spotify.com/v1/", "http://api.spotify.com/v1/"]

    /// The mirror's path and query for a link of Spotify's to a list that an object holds, `/spotify/v1/albums/...`; nil for any other text.
    /// - Parameters:
    ///   - name: what the list's last part is called here.
    ///   - kept: what the object was asked for with, in case the link does not say so itself.
    static func path(_ link: String?, to name: String, kept: [(name: String, value: String)] = []) -> String? {
        guard let link, let rest = spotify.lazy.compactMap({ link.dropPrefix($0) }).first else { return nil }
        let cut = rest.firstIndex(of: "?") ?? rest.endIndex
        var segments = rest[..<cut].split(separator: "/")
        // As links to playlists were until 2018.
        if segments.count > 3, segments[0] == "users", segments[2] == "playlists" { segments.removeFirst(2) }
        guard segments.count == 3, let known = lists[String(segments[0])], known.contains(String(segments[2])) else { return nil }
        let query = rest[cut...].dropFirst()
        let missing = kept.filter { item in !query.split(separator: "&").contains { $0.hasPrefix("\(item.name)=") } }
        let items = (query.isEmpty ? [] : [String(query)]) + missing.map(text)
        return "\(folder)/v1/\(segments[0])/\(segments[1])/\(name)" + (items.isEmpty ? "" : "?" + items.joined(separator: "&"))
    }

    /// The lists that stand in objects.
    private static let lists: [String: [String]] = [
        "albums": ["tracks"], "playlists": ["tracks", "items"], "shows": ["episodes"], "audiobooks": ["chapters"],
    ]

    /// What a link lacks of a parameter.
    static func addition(of parameter: (name: String, value: String), to link: some Collection<UInt8>) -> String {
        guard !link.contains("\(parameter.name)=".utf8) else { return "" }
        return (link.contains(UInt8(ascii: "?")) ? "&" : "?") + text(parameter)
    }

    /// One parameter of a query. The comma stays, as in the Web API's links.
    static func text(_ item: (name: String, value: String)) -> String {
        "\(item.name)=\(PercentEncoding.encode(item.value, keeping: ","))"
    }
}

/// What Spotify answered instead of an object (404, 400, 403; 502 for a page that has no form), remembered in `temp` so that it is not asked
/// again at once.
///
/// Stored as `<status> <message>`.
public struct NegativeEntry: Error, Sendable, Equatable {
    public var status: Int
    public var message: String

    public init(status: Int, message: String) {
        self.status = status
        self.message = message
    }

    var encoded: [UInt8] { Array("\(status) \(message)".utf8) }

    init?(encoded: [UInt8]) {
        let parts = String(decoding: encoded, as: UTF8.self).split(separator: " ", maxSplits: 1)
        guard let first = parts.first, let status = Int(first), (400...599).contains(status) else { return nil }
        self.init(status: status, message: parts.count == 2 ? String(parts[1]) : "")
    }
}

/// The 64-bit FNV-1a hash (draft-eastlake-fnv): for tags, where nobody gains by a collision.
package enum FNV {
    package static func hash(_ bytes: some Sequence<UInt8>, from basis: UInt64 = 0xCBF2_9CE4_8422_2325) -> UInt64 {
        var hash = basis
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return hash
    }
}
