import Spotify

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

    public func compose(_ reader: inout Reader) throws -> ArraySlice<UInt8>? {
        var writer = JSONWriter(reserving: 3000 * ids.count)
        try writer.object { writer in
            writer.key(kind.rawValue + "s")
            try writer.array { writer in
                for id in ids {
                    let resource = Resource.object(kind, id, market: kind == .artist ? nil : market)
                    do {
                        if let record = try reader.record(resource) { writer.raw(record.body(linkedTo: reader.linkBase)) }
                    } catch let denial as Denial where denial.status == 404 {
                        writer.null()
                    }
                }
            }
        }
        return reader.missing.isEmpty ? writer.bytes[...] : nil
    }
}
