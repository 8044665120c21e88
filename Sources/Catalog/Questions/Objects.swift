import JSON
import Spotify

/// `GET /{tracks,albums,artists,playlists,shows,episodes,audiobooks,chapters}/{id}`, `/playlists/{id}/images`: one record as it is.
public struct ObjectQuestion: Question {
    let resource: Resource

    public init(_ resource: Resource) { self.resource = resource }

    public var firstResource: Resource? { resource }

    /// Only some objects hold a page.
    public var mayLinkBack: Bool {
        switch resource {
        case .object(.track, _, _), .object(.artist, _, _), .object(.episode, _, _), .object(.chapter, _, _), .playlistImages: false
        default: true
        }
    }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        try reader.record(resource).map { reader.verbatim($0) }
    }
}

/// `GET /{tracks,albums,artists,shows,episodes,audiobooks,chapters}?ids=`: single records in the asked order. null means that Spotify
/// refused it, never "not here yet".
public struct BatchQuestion: Question {
    let kind: ObjectKind
    let ids: [SpotifyID]
    let market: Market?

    public init(kind: ObjectKind, ids: [SpotifyID], market: Market?) {
        self.kind = kind
        self.ids = ids
        self.market = market
    }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        var writer = JSONWriter(reserving: 3000 * ids.count)
        var isKnown = false
        var refusal: NegativeEntry?
        try writer.object { writer in
            writer.key(kind.plural)
            try writer.array { writer in
                for id in ids {
                    let resource = Resource.object(kind, id, market: kind == .artist ? nil : market)
                    do {
                        guard let record = try reader.record(resource) else { continue }
                        writer.raw(record.body(linkedTo: reader.linkBase))
                        isKnown = true
                    } catch let denial as NegativeEntry {
                        writer.null()
                        if denial.status != 404 { refusal = refusal ?? denial }
                    }
                }
            }
        }
        guard reader.missing.isEmpty else { return nil }
        // What is refused with another word than "not found" is none of a list's gaps, unless the others are there.
        if let refusal, !isKnown { throw refusal }
        return writer.bytes[...]
    }
}

/// A question whose answer has the removed fields (`SPOTIFY_FILL_REMOVED_FIELDS`).
public struct FilledQuestion<Asked: Question>: Question {
    let asked: Asked
    public var mayBePatchy: Bool { asked.mayBePatchy }
    public var mayLinkBack: Bool { asked.mayLinkBack }
    public var firstResource: Resource? { asked.firstResource }
    public init(_ asked: Asked) { self.asked = asked }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        reader.fillsRemovedFields = true
        return try asked.compose(&reader)
    }
}
