import Spotify

extension Resource {
    /// The request target for the Web API, starting with `/v1/`.
    /// - Parameter own: the account's market (`SPOTIFY_MARKET`), used where the resource names none.
    public func target(market own: Market?) -> String {
        switch self {
        case .object(let kind, let id, let market):
            return "/v1/\(kind.rawValue)s/\(id.text)" + Self.query([], kind == .artist ? nil : market ?? own)
        case .albumTracks(let id, let offset, let market):
            return "/v1/albums/\(id.text)/tracks" + Self.query(Self.page(offset, PageSize.list), market ?? own)
        case .artistAlbums(let id, let groups, let offset, let market):
            let choice = groups.names.isEmpty ? [] : [("include_groups", groups.text)]
            return "/v1/artists/\(id.text)/albums" + Self.query(choice + Self.page(offset, PageSize.list), market ?? own)
        case .playlistItems(let id, let part, let offset, let market):
            return "/v1/playlists/\(id.text)/\(part.rawValue)" + Self.query(Self.page(offset, PageSize.list), market ?? own)
        case .topTracks(let id, let market):
            return "/v1/artists/\(id.text)/top-tracks" + Self.query([], market ?? own)
        case .search(let term, let kinds, let offset, let market):
            let asked = [("q", term.text), ("type", kinds.map(\.rawValue).joined(separator: ","))]
            return "/v1/search" + Self.query(asked + Self.page(offset, PageSize.search), market ?? own)
        }
    }

    private static func page(_ offset: Int, _ limit: Int) -> [(String, String)] {
        [("limit", "\(limit)")] + (offset > 0 ? [("offset", "\(offset)")] : [])
    }

    private static func query(_ items: [(String, String)], _ market: Market?) -> String {
        let all = items + (market.map { [("market", $0.code)] } ?? [])
        return all.isEmpty ? "" : "?" + all.map { "\($0)=\(PercentEncoding.encode($1))" }.joined(separator: "&")
    }
}

/// Percent-encoding of query values (RFC 3986, unreserved characters stay; so does the comma, as in the Web API's examples).
public enum PercentEncoding {
    public static func encode(_ text: String) -> String {
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E, 0x2C: bytes.append(byte)
            default: bytes += [UInt8(ascii: "%"), digit(byte >> 4), digit(byte & 15)]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x41 + value - 10 }
}
