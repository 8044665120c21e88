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

    public func compose(_ reader: inout Reader) throws -> ArraySlice<UInt8>? {
        try reader.record(resource).map { reader.verbatim($0) }
    }
}
