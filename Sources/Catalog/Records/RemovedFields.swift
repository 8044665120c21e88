import JSON
import Spotify

/// The fields that development mode took away, put back with neutral values: typed clients refuse objects without them.
///
/// They are put in before an object's closing brace, and nothing else of the text is touched; what extended mode answers lacks none of
/// them, and stays as it is. Sources: the Web API's migration guide of February 2026; which of them clients insist on, the models of
/// tekore, asyncspotify and spotifyaio. docs/fields.md lists the values.
struct RemovedFields: Equatable {
    /// Ascending. A word for each member: the offset of the closing brace that it goes before, and which member it is, in the lowest byte;
    /// so that what thousands of records lack has room in memory.
    private(set) var words: [UInt64] = []
    private(set) var addedBytes = 0
    private var emptyPage: EmptyPage?

    /// What a record's body lacks, at every depth; nothing where it is no JSON. Reads all of it.
    init(of record: Record, _ resource: Resource?) {
        guard let document = try? JSONDocument(record.body) else { return }
        look(at: document.root, isItem: false, AlbumList(resource))
        emptyPage = EmptyPage(in: document, resource)
    }

    /// What a record's stored form says itself; nil where it does not, or speaks of other members than there are now.
    init?(storedIn encoded: [UInt8], _ resource: Resource?) {
        guard let stored = Record.storedFields(ofEncoded: encoded), stored.form == Self.form else { return nil }
        for word in stored.words {
            guard let member = Neutral(rawValue: UInt8(truncatingIfNeeded: word)) else { return nil }
            addedBytes += member.text.utf8CodeUnitCount
        }
        words = stored.words
        guard stored.pageEnd > 0 else { return }
        guard let page = EmptyPage(resource, rest: stored.pageEnd) else { return nil }
        emptyPage = page
    }

    /// Whether a record's stored form says that it lacks nothing, as all that was answered in extended mode.
    static func isNothing(storedIn encoded: [UInt8]) -> Bool {
        guard Record.hasStoredFields(encoded) else { return false }
        return encoded.withUnsafeBytes { StoredFields.areNone(endOf: $0, form: form) }
    }

    var stored: StoredFields { StoredFields(words: words, form: Self.form, pageEnd: emptyPage?.rest ?? 0) }

    /// The record is served as it is stored.
    var isEmpty: Bool { words.isEmpty && emptyPage == nil }

    private mutating func look(at node: JSONNode, isItem: Bool, _ list: AlbumList?) {
        switch node.kind {
        case .object:
            node.eachMember { key, value in
                guard value.kind == .object || value.kind == .array else { return }
                look(at: value, isItem: key.isText("track") || key.isText("item"), list)
            }
            for member in Neutral.members(of: node, isItem: isItem, list) where !node.has(member.name) {
                words.append(UInt64(node.range.upperBound - 1) << 8 | UInt64(member.rawValue))
                addedBytes += member.text.utf8CodeUnitCount
            }
        case .array: for element in node.elements { look(at: element, isItem: false, list) }
        default: return
        }
    }

    /// The record with them. Its tag is made of the plain one's: the same bytes give the same.
    func filled(_ record: Record) -> Record {
        guard !isEmpty else { return record }
        var rest = words[...]
        var filled = Self.fill(record, atMost: words.count) {
            rest.popFirst().flatMap { word in Neutral(rawValue: UInt8(truncatingIfNeeded: word)).map { (Int(word >> 8), $0) } }
        }
        emptyPage?.put(into: &filled)
        return filled
    }

    /// A record with them, where its stored form says itself which: as `init?(storedIn:_:)` and `filled`, in one pass. nil where it does not,
    /// and for a playlist without a page.
    static func filled(storedIn encoded: [UInt8]) -> Record? {
        guard Record.hasStoredFields(encoded), let plain = Record(encoded: encoded) else { return nil }
        return encoded.withUnsafeBytes { encoded in
            guard var places = StoredFields.Places(endOf: encoded, bodyCount: plain.body.count), places.form == form, places.pageEnd == 0
            else { return nil }
            if places.mostCount == 0 { return plain }
            var isKnown = true
            let filled = fill(plain, atMost: places.mostCount) {
                guard let place = places.next() else { return nil }
                guard let member = Neutral(rawValue: place.member) else {
                    isKnown = false
                    return nil
                }
                return (place.offset, member)
            }
            return isKnown && places.isSound ? filled : nil
        }
    }

    /// - Parameters:
    ///   - most: how many places there are at most.
    ///   - next: the next one, ascending; nil after the last.
    @inline(__always)
    private static func fill(_ record: Record, atMost most: Int, _ next: () -> (offset: Int, member: Neutral)?) -> Record {
        var linkPlaces = record.linkPlaces
        let body = [UInt8](unsafeUninitializedCapacity: record.body.count + most * Neutral.longest) { room, count in
            guard var to = UnsafeMutableRawPointer(room.baseAddress) else { return }
            record.body.withUnsafeBytes { body in
                guard let from = body.baseAddress else { return }
                var (start, link, added) = (0, 0, 0)
                while let (offset, member) = next() {
                    let text = member.text
                    to.copyMemory(from: from + start, byteCount: offset - start)
                    to += offset - start
                    to.copyMemory(from: text.utf8Start, byteCount: text.utf8CodeUnitCount)
                    to += text.utf8CodeUnitCount
                    start = offset
                    while link < linkPlaces.count, linkPlaces[link] <= offset {
                        linkPlaces[link] += UInt32(added)
                        link += 1
                    }
                    added += text.utf8CodeUnitCount
                }
                to.copyMemory(from: from + start, byteCount: body.count - start)
                to += body.count - start
                for link in linkPlaces.indices[link...] { linkPlaces[link] += UInt32(added) }
                count = body.count + added
            }
        }
        var filled = Record(
            form: body[...], linkPlaces: linkPlaces, refusedWith: record.refusedWith, isExtended: record.isExtended,
            tag: FNV.hash(mark, from: record.tag))
        filled.wholeAt = record.wholeAt
        return filled
    }

    /// To be changed with the members and with who gets them: answers of before have other tags then, and what was stored says nothing any more.
    private static let form: UInt8 = 2
    private static let mark = Array("filled/\(form)".utf8)
}

/// Of a playlist whose items Spotify keeps for its owner and collaborators: it has no page at all then, and gets one without items, under both
/// names. Its links lead to what Spotify says of it.
private struct EmptyPage: Equatable {
    private let id: SpotifyID
    private let market: Market?
    /// How many bytes of the text follow from the playlist's closing brace on.
    let rest: Int

    /// Spotify's own (Web API reference, get-playlist).
    private static let limit = 100

    /// nil for anything else.
    init?(in document: JSONDocument, _ resource: Resource?) {
        let root = document.root
        guard root.has("id"), PlaylistPart.allCases.allSatisfy({ !root.has($0.rawValue) }) else { return nil }
        self.init(resource, rest: document.bytes.count - root.range.upperBound + 1)
    }

    init?(_ resource: Resource?, rest: Int) {
        guard case .object(.playlist, let id, let market)? = resource else { return nil }
        self.id = id
        self.market = market
        self.rest = rest
    }

    func put(into record: inout Record) {
        let at = record.body.endIndex - rest
        var writer = JSONWriter(reserving: 600)
        var places: [Int] = []
        writer.object { writer in for part in PlaylistPart.allCases { write(part, &writer, &places) } }
        // With the comma in the brace's place.
        let members = [UInt8(ascii: ",")] + writer.bytes.dropFirst().dropLast()
        record.linkPlaces += places.map { UInt32(at - record.body.startIndex + $0) }
        record.body.insert(contentsOf: members, at: at)
        record.lacksItems = true
    }

    private func write(_ part: PlaylistPart, _ writer: inout JSONWriter, _ places: inout [Int]) {
        let window = [("offset", "0"), ("limit", "\(Self.limit)")] + (market.map { [("market", $0.code)] } ?? [])
        let path = "\(MirrorLink.folder)/v1/playlists/\(id.text)/\(part.rawValue)?" + window.map(MirrorLink.text).joined(separator: "&")
        writer.key(part.rawValue)
        writer.object { writer in
            writer.key("href")
            places.append(writer.position + 1)
            writer.string(path)
            writer.key("items")
            writer.array { _ in }
            writer.member("limit", Self.limit)
            writer.member("next", nil as String?)
            writer.member("offset", 0)
            writer.member("previous", nil as String?)
            writer.member("total", 0)
        }
    }
}

/// A member that an object of some form has in extended mode and may lack in development mode. Every object that gets one has another already.
/// The numbers are stored, in five bits: new ones come at the end.
private enum Neutral: UInt8, CaseIterable {
    case markets, popularity, label, followers, albumGroup, singleGroup, compilationGroup, appearsOnGroup
    case copyrights, externalIDs, genres, images, previewURL, audioPreviewURL, publisher, primaryColor, videoThumbnail, isLocal
    case isEpisode, isNoEpisode, isTrack, isNoTrack

    var name: String { Self.names[Int(rawValue)] }

    private static let names = allCases.map { "\($0.text)".split(separator: "\"")[1] }.map(String.init)

    /// Bytes of the longest one's text.
    static let longest = allCases.map(\.text.utf8CodeUnitCount).max() ?? 0

    /// The member with its comma.
    var text: StaticString {
        switch self {
        case .markets: #","available_markets":[]"#
        case .popularity: #","popularity":0"#
        case .label: #","label":"""#
        case .followers: #","followers":{"href":null,"total":0}"#
        case .albumGroup: #","album_group":"album""#
        case .singleGroup: #","album_group":"single""#
        case .compilationGroup: #","album_group":"compilation""#
        case .appearsOnGroup: #","album_group":"appears_on""#
        case .copyrights: #","copyrights":[]"#
        case .externalIDs: #","external_ids":{}"#
        case .genres: #","genres":[]"#
        case .images: #","images":[]"#
        case .previewURL: #","preview_url":null"#
        case .audioPreviewURL: #","audio_preview_url":null"#
        case .publisher: #","publisher":"""#
        case .primaryColor: #","primary_color":null"#
        case .videoThumbnail: #","video_thumbnail":{"url":null}"#
        case .isLocal: #","is_local":false"#
        case .isEpisode: #","episode":true"#
        case .isNoEpisode: #","episode":false"#
        case .isTrack: #","track":true"#
        case .isNoTrack: #","track":false"#
        }
    }

    /// What an object of this form has in extended mode.
    static func members(of node: JSONNode, isItem: Bool, _ list: AlbumList?) -> [Neutral] {
        switch node["type"]?.string {
        case "track": track(node, isItem)
        case "album": album(node, list)
        case "artist": node.has("genres") || node.has("images") ? [.followers, .genres, .images, .popularity] : []
        case "playlist": playlist(node)
        case "episode": isItem ? [.audioPreviewURL, .isEpisode, .isNoTrack] : [.audioPreviewURL]
        case "show", "audiobook": [.markets, .copyrights, .publisher]
        case "chapter": markets(node) + [.audioPreviewURL]
        case nil where node.has("added_at") && (node.has("track") || node.has("item")): [.isLocal, .primaryColor, .videoThumbnail]
        default: []
        }
    }

    /// Where a market was named, `is_playable` stands in their place, in either mode.
    private static func markets(_ node: JSONNode) -> [Neutral] { node.has("is_playable") ? [] : [.markets] }

    private static func track(_ node: JSONNode, _ isItem: Bool) -> [Neutral] {
        // A playlist says of its elements which they are.
        markets(node) + [.previewURL] + (node.has("album") ? [.externalIDs, .popularity] : []) + (isItem ? [.isNoEpisode, .isTrack] : [])
    }

    private static func album(_ node: JSONNode, _ list: AlbumList?) -> [Neutral] {
        guard node.has("tracks") else { return markets(node) + (list?.group(of: node).map { [$0] } ?? []) }
        return markets(node) + [.copyrights, .externalIDs, .genres, .label, .popularity]
    }

    /// A playlist as a search lists it says only how many items it has, and has no followers in either mode.
    private static func playlist(_ node: JSONNode) -> [Neutral] {
        let isListed = (node["tracks"] ?? node["items"]).map { !$0.has("items") } ?? false
        return isListed ? [.primaryColor] : [.followers, .primaryColor]
    }

    static func group(_ name: String) -> Neutral? {
        switch name {
        case "album": .albumGroup
        case "single": .singleGroup
        case "compilation": .compilationGroup
        case "appears_on": .appearsOnGroup
        default: nil
        }
    }
}

/// The list of an artist's albums, whose elements say in which of its groups they stand: that can be told without Spotify.
private struct AlbumList {
    private let artist: String
    private let groups: [String]

    /// nil for any other resource.
    init?(_ resource: Resource?) {
        guard case .artistAlbums(let id, let groups, _, _)? = resource else { return nil }
        artist = id.text
        self.groups = groups.names
    }

    /// The one group that was asked for; else the album's own type where it is by this artist, and not by another.
    func group(of album: JSONNode) -> Neutral? {
        if groups.count == 1 { return Neutral.group(groups[0]) }
        guard album.artistIDs.contains(artist) else { return .appearsOnGroup }
        return album["album_type"]?.string.flatMap { Neutral.group($0) }
    }
}
