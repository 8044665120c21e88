import Spotify

/// An object as the mirror serves it: Spotify's own bytes, but for the links of the page that an album or a playlist holds, which
/// point back here, and for a playlist's page, which stands there under its old and its new name.
enum MirrorRecord {
    static func make(of kind: ObjectKind, _ document: JSONDocument) -> Record {
        guard kind == .album || kind == .playlist, case .object(let members) = document.root.kind else {
            return Record(body: document.bytes)
        }
        var places: [UInt32] = []
        var writer = JSONWriter(reserving: document.bytes.count + 256)
        writer.object { writer in
            for (key, value) in members {
                if let part = PlaylistPart(rawValue: key), case .object = value.kind {
                    for name in kind == .album ? [part] : [.tracks, .items] {
                        writer.key(name.rawValue)
                        write(value, of: kind, as: name, document, &writer, &places)
                    }
                } else {
                    writer.member(key, raw: document.raw(value))
                }
            }
        }
        return Record(body: writer.bytes, linkPlaces: places, isExtended: members.contains { $0.key == "tracks" })
    }

    private static func write(
        _ page: JSONNode, of kind: ObjectKind, as part: PlaylistPart, _ document: JSONDocument, _ writer: inout JSONWriter,
        _ places: inout [UInt32]
    ) {
        guard case .object(let members) = page.kind else { return }
        writer.object { writer in
            for (key, value) in members {
                writer.key(key)
                if ["href", "next", "previous"].contains(key), let path = path(document.string(value), as: part) {
                    places.append(UInt32(writer.position + 1))
                    writer.string(path)
                } else if key == "items", kind == .playlist {
                    writer.array { writer in
                        for element in value.elements { Self.write(element: element, as: part, document, &writer) }
                    }
                } else {
                    writer.raw(document.raw(value))
                }
            }
        }
    }

    /// A playlist's element with its track under the name that `part` goes with.
    static func write(element: JSONNode, as part: PlaylistPart, _ document: JSONDocument, _ writer: inout JSONWriter) {
        guard case .object(let members) = element.kind else { return writer.raw(document.raw(element)) }
        writer.object { writer in
            for (key, value) in members {
                writer.member(key == "item" || key == "track" ? part.element : key, raw: document.raw(value))
            }
        }
    }

    /// A playlist as a search lists it: how many items it has and where they are, under the old and the new name.
    static func write(listed playlist: JSONNode, linkedTo base: String, _ document: JSONDocument, _ writer: inout JSONWriter) {
        guard case .object(let members) = playlist.kind, playlist.has("tracks") != playlist.has("items") else {
            return writer.raw(document.raw(playlist))
        }
        writer.object { writer in
            for (key, value) in members {
                guard PlaylistPart(rawValue: key) != nil, case .object(let inner) = value.kind else {
                    writer.member(key, raw: document.raw(value))
                    continue
                }
                for part in [PlaylistPart.tracks, .items] {
                    writer.key(part.rawValue)
                    writer.object { writer in
                        for (key, value) in inner {
                            if key == "href", let path = path(document.string(value), as: part) {
                                writer.member(key, base + path)
                            } else {
                                writer.member(key, raw: document.raw(value))
                            }
                        }
                    }
                }
            }
        }
    }

    /// The mirror's path for one of Spotify's links: `/spotify/v1/albums/...`; nil for any other text.
    private static func path(_ link: String?, as part: PlaylistPart) -> String? {
        guard let link, let rest = link.dropPrefix("https://api.spotify.com/v1/") else { return nil }
        guard rest.hasPrefix("playlists/") else { return "/spotify/v1/" + rest }
        let cut = rest.firstIndex(of: "?") ?? rest.endIndex
        let segments = rest[..<cut].split(separator: "/").map { $0 == "items" || $0 == "tracks" ? part.rawValue[...] : $0 }
        return "/spotify/v1/" + segments.joined(separator: "/") + rest[cut...]
    }
}

extension String {
    func dropPrefix(_ prefix: String) -> Substring? { hasPrefix(prefix) ? dropFirst(prefix.count) : nil }
}
