import JSON
import Spotify

/// `GET /{tracks,albums,artists,playlists}/{id}`: one record as it is.
public struct ObjectQuestion: Question {
    let resource: Resource

    public init(_ resource: Resource) { self.resource = resource }

    public var firstResource: Resource? { resource }

    /// Only an album and a playlist hold a page.
    public var mayLinkBack: Bool {
        switch resource {
        case .object(.track, _, _), .object(.artist, _, _): false
        default: true
        }
    }

    public func compose(_ reader: inout RecordReader) throws -> ArraySlice<UInt8>? {
        try reader.record(resource).map { reader.verbatim($0) }
    }
}

/// `GET /{tracks,albums,artists}?ids=`: single records in the asked order. null means that Spotify said 404, never "not here yet".
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
        try writer.object { writer in
            writer.key(kind.rawValue + "s")
            try writer.array { writer in
                for id in ids {
                    let resource = Resource.object(kind, id, market: kind == .artist ? nil : market)
                    do {
                        if let record = try reader.record(resource) { writer.raw(record.body(linkedTo: reader.linkBase)) }
                    } catch let denial as NegativeEntry where denial.status == 404 {
                        writer.null()
                    }
                }
            }
        }
        return reader.missing.isEmpty ? writer.bytes[...] : nil
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
