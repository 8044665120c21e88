import JSON
import Platform
import Spotify

/// `GET /albums/{id}/tracks`.
public struct AlbumTracksQuestion: Question {
    let id: SpotifyID
    let window: Window
    let market: Market?

    public init(id: SpotifyID, offset: Int, limit: Int, market: Market?) {
        self.id = id
        self.window = Window(offset: offset, limit: limit)
        self.market = market
    }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        guard let album = try reader.document(.object(.album, id, market: market)) else { return nil }
        let list = AlbumTracks.list(of: id, in: album.root, market)
        guard let stretch = try list.stretch(window, &reader), reader.missing.isEmpty else { return nil }
        let paging = PagingWriter(base: reader.linkBase, path: "/albums/\(id.text)/tracks", kept: marketParameter(market))
        var writer = JSONWriter()
        paging.write(stretch, window, to: &writer) { $1.raw($0.raw) }
        return writer.bytes[...]
    }
}

/// An album's tracks: the first page stands in the album.
enum AlbumTracks {
    static func list(of id: SpotifyID, in album: JSONNode, _ market: Market?) -> PagedList {
        PagedList(embedded: Page(album["tracks"]), pageSize: PageSize.list) { offset, reader in
            Page(try reader.record(.albumTracks(id, offset: offset, market: market)))
        }
    }
}

/// `GET /artists/{id}/albums`.
public struct ArtistAlbumsQuestion: Question {
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
        PagedList(embedded: nil, pageSize: PageSize.list) { offset, reader in
            Page(try reader.record(.artistAlbums(id, groups: groups, offset: offset, market: market)))
        }
    }
}

/// `GET /playlists/{id}/items`, and `/tracks` as extended mode has it.
public struct PlaylistItemsQuestion: Question {
    let id: SpotifyID
    let part: PlaylistPart
    let window: Window
    let market: Market?

    public init(id: SpotifyID, part: PlaylistPart, offset: Int, limit: Int, market: Market?) {
        self.id = id
        self.part = part
        self.window = Window(offset: offset, limit: limit)
        self.market = market
    }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        guard let list = try PlaylistItems.list(of: id, market, &reader) else { return nil }
        guard let stretch = try list.stretch(window, &reader), reader.missing.isEmpty else { return nil }
        let paging = PagingWriter(base: reader.linkBase, path: "/playlists/\(id.text)/\(part.rawValue)", kept: marketParameter(market))
        var writer = JSONWriter()
        paging.write(stretch, window, to: &writer) { ListRecord.write(element: $0, as: part, &$1) }
        return writer.bytes[...]
    }
}

/// A playlist's items: the first hundred stand in the playlist, unless the account may not read them.
enum PlaylistItems {
    static func list(of id: SpotifyID, _ market: Market?, _ reader: inout RecordReader) throws -> PagedList? {
        guard let record = try reader.record(.object(.playlist, id, market: market)), let playlist = try? JSONDocument(record.body)
        else { return nil }
        guard let embedded = Page(playlist.root["items"]) else { throw NegativeEntry(status: 403, message: "Forbidden") }
        let asked: PlaylistPart = record.isExtended ? .tracks : .items
        return PagedList(embedded: embedded, pageSize: PageSize.list) { offset, reader in
            do {
                return Page(try reader.record(.playlistItems(id, asked, offset: offset, market: market)))
            } catch let denial as NegativeEntry where denial.status == 403 {
                // The account's mode has changed since the playlist was fetched.
                return Page(try reader.record(.playlistItems(id, asked.other, offset: offset, market: market)))
            }
        }
    }
}

private func marketParameter(_ market: Market?) -> [(name: String, value: String)] { market.map { [("market", $0.code)] } ?? [] }

/// Writes paging objects with the mirror's own links.
struct PagingWriter {
    /// `https://host`.
    var base: String
    /// `/albums/<id>/tracks`.
    var path: String
    /// What the links keep of the request besides offset and limit, in order.
    var kept: [(name: String, value: String)]

    func write(_ stretch: PagedList.Stretch, _ window: Window, to writer: inout JSONWriter, element: (JSONNode, inout JSONWriter) -> Void) {
        let end = window.offset + window.limit
        writer.object { writer in
            writer.member("href", link(window.offset, window.limit))
            writer.key("items")
            writer.array { writer in for item in stretch.elements { element(item, &writer) } }
            writer.member("limit", window.limit)
            writer.member("next", end < stretch.total ? link(end, window.limit) : nil)
            writer.member("offset", window.offset)
            writer.member("previous", window.offset > 0 ? link(max(0, window.offset - window.limit), window.limit) : nil)
            writer.member("total", stretch.total)
        }
    }

    private func link(_ offset: Int, _ limit: Int) -> String {
        let more = kept.map { "&\($0.name)=\(PercentEncoding.encode($0.value, keeping: ","))" }.joined()
        return "\(base)/spotify/v1\(path)?offset=\(offset)&limit=\(limit)\(more)"
    }
}

/// A stretch of a long list that is kept in pages: from `offset`, at most `limit` elements.
struct Window {
    var offset: Int
    var limit: Int
}

/// A list in pages: the first may stand in its parent, the others are records of their own, aligned to their size.
struct PagedList {
    /// The page that the parent brought.
    var embedded: Page?
    var pageSize: Int
    /// The page at an aligned offset; nil when it is not here, which the reader has noted.
    var page: (_ offset: Int, _ reader: inout RecordReader) throws -> Page?

    struct Stretch {
        var elements: [JSONNode]
        var total: Int
    }

    /// The window's elements; what is missing is noted by the reader and left out. nil when not even the length is known.
    func stretch(_ window: Window, _ reader: inout RecordReader) throws -> Stretch? {
        guard let total = try total(window, &reader) else { return nil }
        var elements: [JSONNode] = []
        var at = window.offset
        let end = min(window.offset + window.limit, total)
        while at < end {
            let (page, start) = try holder(of: at, &reader)
            guard let page, at - start < page.elements.count else {
                at = start + pageSize
                continue
            }
            let stop = min(end, start + page.elements.count)
            elements += page.elements[(at - start)..<(stop - start)]
            at = stop
        }
        return Stretch(elements: elements, total: total)
    }

    private func total(_ window: Window, _ reader: inout RecordReader) throws -> Int? {
        if let embedded { return embedded.total }
        return try page(window.offset / pageSize * pageSize, &reader)?.total
    }

    private func holder(of index: Int, _ reader: inout RecordReader) throws -> (Page?, start: Int) {
        if let embedded, index < embedded.elements.count { return (embedded, 0) }
        let start = index / pageSize * pageSize
        return (try page(start, &reader), start)
    }
}
