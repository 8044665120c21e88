import Catalog
import Foundation
import Spotify

/// What `warm` was asked for, each thing once, in the order of its first mention.
struct WishList {
    private(set) var resources: [Resource] = []
    /// Lines with something in them, none of which names a thing; a CSV's header is one.
    private(set) var skippedLines = 0

    init(files: [String], bareKind: ObjectKind) throws {
        for file in files.isEmpty ? ["-"] : files {
            let data: Data
            if file == "-" {
                data = FileHandle.standardInput.readDataToEndOfFile()
            } else {
                guard let read = FileManager.default.contents(atPath: file) else { throw WarmError.unreadable(file) }
                data = read
            }
            add(String(decoding: data, as: UTF8.self), bareKind)
        }
    }

    init(text: String, bareKind: ObjectKind) { add(text, bareKind) }

    private mutating func add(_ text: String, _ bareKind: ObjectKind) {
        var known = Set(resources)
        for row in CSVRows.read(text) {
            let fields = row.map { $0.trimmingCharacters(in: .whitespaces) }
            guard fields.contains(where: { !$0.isEmpty }), fields.first?.hasPrefix("#") != true else { continue }
            guard let resource = Self.resource(in: fields, bareKind) else {
                skippedLines += 1
                continue
            }
            if known.insert(resource).inserted { resources.append(resource) }
        }
    }

    /// A link or a URI says what it is; a bare ID may also be a word of 22 letters, so it counts only where there is neither.
    private static func resource(in fields: [String], _ bareKind: ObjectKind) -> Resource? {
        for field in fields {
            if let named = SpotifyID.named(by: field) { return .object(named.kind, named.id, market: nil) }
        }
        return fields.lazy.compactMap { SpotifyID($0) }.first.map { .object(bareKind, $0, market: nil) }
    }
}
