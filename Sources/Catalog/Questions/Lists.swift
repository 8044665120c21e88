import JSON
import Spotify

/// `GET /albums/{id}/tracks`, `/shows/{id}/episodes`, `/audiobooks/{id}/chapters`.
public struct PartsQuestion: Question {
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
    let resource: Resource

    public init(id: SpotifyID, market: Market?) { resource = .object(.playlist, id, market: market) }

    public var firstResource: Resource? { resource }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        try reader.recordWithEpisodes(resource).map { reader.verbatim($0) }
    }
}

/// `GET /playlists/{id}/items`, and `/tracks` as extended mode has it.
public struct PlaylistItemsQuestion: Question {
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
        self.kept = (hasEpisodes ? [("additional_types", "track,episode")] : []) + kept
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
        guard let items = playlist.root["items"] else { throw NegativeEntry(status: 403, message: "Forbidden") }
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
