import JSON
import Spotify

/// `GET /albums/{id}/tracks`, `/shows/{id}/episodes`, `/audiobooks/{id}/chapters`.
public struct PartsQuestion: Question {
    public var isOfRecords: Bool { true }
    let parts: ObjectParts
    let id: SpotifyID
    let window: Window
    let market: Market?

    public init(_ parts: ObjectParts, of id: SpotifyID, offset: Int, limit: Int, market: Market?) {
        self.parts = parts
        self.id = id
        self.window = Window(offset: offset, limit: limit)
        self.market = market
    }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        guard let object = try reader.document(.object(parts.parent, id, market: market)) else { return nil }
        let list = PagedList.of(parts, id, in: object.root, market)
        guard let stretch = try list.stretch(window, &reader), reader.missing.isEmpty else { return nil }
        let path = "/\(parts.parent.plural)/\(id.text)/\(parts.name)"
        let paging = PagingWriter(base: reader.linkBase, path: path, kept: marketParameter(market))
        var writer = JSONWriter()
        paging.write(stretch, window, to: &writer) { $1.raw($0.raw) }
        return writer.bytes[...]
    }
}

/// `GET /artists/{id}/albums`.
public struct ArtistAlbumsQuestion: Question {
    public var isOfRecords: Bool { true }
    let id: SpotifyID
    let groups: AlbumGroups
    let window: Window
    let market: Market?

    public init(id: SpotifyID, groups: AlbumGroups, offset: Int, limit: Int, market: Market?) {
        self.id = id
        self.groups = groups
        self.window = Window(offset: offset, limit: limit)
        self.market = market
    }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        let list = ArtistAlbums.list(of: id, groups, market)
        guard let stretch = try list.stretch(window, &reader), reader.missing.isEmpty else { return nil }
        let choice = groups.names.isEmpty ? [] : [("include_groups", groups.text)]
        let paging = PagingWriter(base: reader.linkBase, path: "/artists/\(id.text)/albums", kept: choice + marketParameter(market))
        var writer = JSONWriter()
        paging.write(stretch, window, to: &writer) { $1.raw($0.raw) }
        return writer.bytes[...]
    }
}

/// An artist's albums, in pages of their own.
enum ArtistAlbums {
    static func list(of id: SpotifyID, _ groups: AlbumGroups, _ market: Market?) -> PagedList {
        PagedList(pageSize: PageSize.list) { .artistAlbums(id, groups: groups, offset: $0, market: market) }
    }
}

/// `GET /playlists/{id}`, with episodes as what they are (`additional_types`).
public struct PlaylistQuestion: Question {
    public var isOfRecords: Bool { true }
    let resource: Resource

    public init(id: SpotifyID, market: Market?) { resource = .object(.playlist, id, market: market) }

    public var firstResource: Resource? { resource }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        // One without episodes in its first page is the plain record; a later page may have some.
        try reader.recordWithEpisodes(resource).map { reader.verbatim($0, naming: Resource.episodes) }
    }
}

/// `GET /playlists/{id}/items`, and `/tracks` as extended mode has it.
public struct PlaylistItemsQuestion: Question {
    public var isOfRecords: Bool { true }
    let id: SpotifyID
    let part: PlaylistPart
    let window: Window
    let market: Market?
    let hasEpisodes: Bool
    let kept: [(name: String, value: String)]

    /// - Parameters:
    ///   - hasEpisodes: episodes are wanted as what they are (`additional_types`).
    ///   - kept: what else of the request its links have.
    public init(
        id: SpotifyID, part: PlaylistPart, offset: Int, limit: Int, market: Market?, hasEpisodes: Bool = false,
        kept: [(name: String, value: String)] = []
    ) {
        self.id = id
        self.part = part
        self.window = Window(offset: offset, limit: limit)
        self.market = market
        self.hasEpisodes = hasEpisodes
        self.kept = (hasEpisodes ? [Resource.episodes] : []) + kept
    }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        guard let list = try PlaylistItems.list(of: id, market, hasEpisodes: hasEpisodes, &reader) else { return nil }
        guard let stretch = try list.stretch(window, &reader), reader.missing.isEmpty else { return nil }
        let path = "/playlists/\(id.text)/\(part.rawValue)"
        let paging = PagingWriter(base: reader.linkBase, path: path, kept: marketParameter(market) + kept)
        var writer = JSONWriter()
        paging.write(stretch, window, to: &writer) { ListRecord.write(element: $0, as: part, &$1) }
        return writer.bytes[...]
    }
}

/// A playlist's items: the first hundred stand in the playlist, unless the account may not read them.
enum PlaylistItems {
    static func list(of id: SpotifyID, _ market: Market?, hasEpisodes: Bool = false, _ reader: inout RecordReader) throws -> PagedList? {
        func read(_ resource: Resource, _ reader: inout RecordReader) throws -> Record? {
            hasEpisodes ? try reader.recordWithEpisodes(resource) : try reader.record(resource)
        }
        guard let record = try read(.object(.playlist, id, market: market), &reader), let playlist = try? JSONDocument(record.body)
        else { return nil }
        guard !record.lacksItems, let items = playlist.root["items"] else { throw NegativeEntry(status: 403, message: "Forbidden") }
        let asked: PlaylistPart = record.isExtended ? .tracks : .items
        var list = PagedList(embedded: Page(items), pageSize: PageSize.list) { .playlistItems(id, asked, offset: $0, market: market) }
        list.read = { resource, reader in
            do {
                return try read(resource, &reader)
            } catch let denial as NegativeEntry where denial.status == 403 {
                // The account's mode has changed since the playlist was fetched.
                return try resource.ofOtherPart.flatMap { try read($0, &reader) }
            }
        }
        return list
    }
}

extension Resource {
    /// A page of a playlist's items as the other mode of an account calls it.
    fileprivate var ofOtherPart: Resource? {
        guard case .playlistItems(let id, let part, let offset, let market) = self else { return nil }
        return .playlistItems(id, part.other, offset: offset, market: market)
    }
}

private func marketParameter(_ market: Market?) -> [(name: String, value: String)] { market.map { [("market", $0.code)] } ?? [] }

/// A stretch of a long list that is kept in pages: from `offset`, at most `limit` elements.
struct Window {
    var offset: Int
    var limit: Int
}

/// A list in pages: the first may stand in its parent, the others are records of their own, aligned to their size.
///
/// What Spotify refuses, or answers in a form that is none, costs its own page: the rest is there.
struct PagedList {
    /// The page that the parent brought.
    var embedded: Page?
    var pageSize: Int
    /// How many elements can be asked for; of a longer list the rest cannot be had.
    var most = Int.max
    /// The record of the page at an aligned offset.
    var resource: (_ offset: Int) -> Resource
    /// Reads it; nil when it is not here, which the reader has noted.
    var read: (Resource, inout RecordReader) throws -> Record? = { try $1.record($0) }
    /// What of the record is the page.
    var part: (JSONNode) -> JSONNode? = { $0 }

    init(embedded: Page? = nil, pageSize: Int, resource: @escaping (_ offset: Int) -> Resource) {
        self.embedded = embedded
        self.pageSize = pageSize
        self.resource = resource
    }

    struct Stretch {
        var elements: [JSONNode]
        var total: Int
    }

    /// The window's elements; what is missing is noted by the reader and left out. nil when not even the length is known.
    /// - Throws: `NegativeEntry` when Spotify refused all of it.
    func stretch(_ window: Window, _ reader: inout RecordReader) throws -> Stretch? {
        guard let total = try total(window, &reader) else { return nil }
        var elements: [JSONNode] = []
        var refusal: NegativeEntry?
        var at = window.offset
        let end = min(window.offset + window.limit, total, most)
        while at < end {
            do {
                let (page, start) = try holder(of: at, &reader)
                guard let page, at - start < page.elements.count else {
                    at = (at / pageSize + 1) * pageSize
                    continue
                }
                let stop = min(end, start + page.elements.count)
                elements += page.elements[(at - start)..<(stop - start)]
                at = stop
            } catch let denial as NegativeEntry {
                refusal = refusal ?? denial
                at = (at / pageSize + 1) * pageSize
            }
        }
        if elements.isEmpty, let refusal, reader.missing.isEmpty { throw refusal }
        return Stretch(elements: elements, total: total)
    }

    private func holder(of index: Int, _ reader: inout RecordReader) throws -> (Page?, start: Int) {
        if let embedded, index < embedded.elements.count { return (embedded, 0) }
        let start = index / pageSize * pageSize
        return (try page(start, &reader), start)
    }

    private func page(_ offset: Int, _ reader: inout RecordReader) throws -> Page? {
        guard let record = try read(resource(offset), &reader) else { return nil }
        return Page((try? JSONDocument(record.body)).flatMap { part($0.root) }) ?? .empty
    }

    private func total(_ window: Window, _ reader: inout RecordReader) throws -> Int? {
        if let embedded { return embedded.total }
        let start = min(window.offset, most - 1) / pageSize * pageSize
        // The other kinds of a search share its pages.
        let isWantedAnyway = reader.missing.contains(resource(start))
        do {
            if let page = try page(start, &reader) { return page.total }
        } catch let denial as NegativeEntry {
            guard let total = try knownTotal(before: start, &reader), min(total, most) <= window.offset else { throw denial }
            return total
        }
        // Beyond an end that is known nothing is asked: Spotify answers such questions with errors.
        guard let total = try knownTotal(before: start, &reader), min(total, most) <= window.offset else { return nil }
        if !isWantedAnyway { reader.forget(resource(start)) }
        return total
    }

    /// The length by the page before, or by the first.
    private func knownTotal(before start: Int, _ reader: inout RecordReader) throws -> Int? {
        for offset in start > pageSize ? [start - pageSize, 0] : start > 0 ? [0] : [] {
            guard let record = try reader.known(resource(offset)), let document = try? JSONDocument(record.body) else { continue }
            if let page = Page(part(document.root)) { return page.total }
        }
        return nil
    }
}

extension PagedList {
    /// What an object holds in pages: the first stands in the object.
    static func of(_ parts: ObjectParts, _ id: SpotifyID, in object: JSONNode, _ market: Market?) -> PagedList {
        PagedList(embedded: Page(object[parts.name]), pageSize: PageSize.list) { .parts(parts, id, offset: $0, market: market) }
    }
}

/// Writes paging objects with the mirror's own links.
struct PagingWriter {
    var base: LinkBase
    /// `/albums/<id>/tracks`.
    var path: String
    /// What the links keep of the request besides offset and limit, in order.
    var kept: [(name: String, value: String)]
    /// The last offset that the list may be asked for with.
    var lastOffset = ListLimits.lastOffset

    func write(_ stretch: PagedList.Stretch, _ window: Window, to writer: inout JSONWriter, element: (JSONNode, inout JSONWriter) -> Void) {
        let end = window.offset + window.limit
        // A page without elements has no neighbours: whoever followed its links would never arrive.
        let hasNext = window.limit > 0 && end < stretch.total && end <= lastOffset
        let hasPrevious = window.limit > 0 && window.offset > 0
        writer.object { writer in
            writer.member("href", link(window.offset, window.limit))
            writer.key("items")
            writer.array { writer in for item in stretch.elements { element(item, &writer) } }
            writer.member("limit", window.limit)
            writer.member("next", hasNext ? link(end, window.limit) : nil)
            writer.member("offset", window.offset)
            writer.member("previous", hasPrevious ? link(max(0, window.offset - window.limit), window.limit) : nil)
            writer.member("total", stretch.total)
        }
    }

    private func link(_ offset: Int, _ limit: Int) -> String {
        let items = [("offset", "\(offset)"), ("limit", "\(limit)")] + kept
        return "\(base.root)\(path)?" + items.map(MirrorLink.text).joined(separator: "&")
    }
}

/// How far lists may be asked for.
public enum ListLimits {
    /// No list of Spotify's is longer.
    public static let lastOffset = 100_000
    /// Search gives a thousand results of a kind.
    public static let searchResults = 1000
}
