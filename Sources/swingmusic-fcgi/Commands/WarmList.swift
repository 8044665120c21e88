import Catalog
import Foundation
import Glibc
import JSON
import Platform
import Spotify

/// What `warm` was asked for, each thing once, in the order of its first mention; and what became of every line.
struct WarmList {
    /// Why a list could not be read; errno's words.
    struct Unreadable: Error, CustomStringConvertible {
        let description: String
    }

    /// A line that names nothing which could be fetched, and is neither empty nor a comment nor a table's header.
    struct SkippedLine {
        let file: String
        let line: Int
        let reason: String

        var text: String { "\(file):\(line): \(reason)" }
        var json: JSONValue { ["file": .string(file), "line": .integer(line), "reason": .string(reason)] }
    }

    /// One file, and how many of its rows there are of each sort. A row of a table may go over several lines; it counts once.
    struct Source {
        let file: String
        fileprivate(set) var form: Form
        fileprivate(set) var named = 0
        /// Rows that name only what was named before.
        fileprivate(set) var repeated = 0
        fileprivate(set) var skipped = 0
        /// Empty ones, comments and the header.
        fileprivate(set) var other = 0

        var text: String {
            let rows = named + repeated + skipped + other
            return
                "\(file): \(form.name), \(rows) row\(rows == 1 ? "" : "s"): \(named) named something, \(repeated) only what was named before, "
                + "\(skipped) skipped, \(other) empty, comment or header"
        }

        var json: JSONValue {
            [
                "file": .string(file), "form": .string(form.name), "named": .integer(named), "repeated": .integer(repeated),
                "skipped": .integer(skipped), "other": .integer(other),
            ]
        }
    }

    private(set) var resources: [Resource] = []
    /// The albums that rows of tables name beside their tracks, and how many do.
    private(set) var albums: [Resource: Int] = [:]
    private(set) var skipped: [SkippedLine] = []
    private(set) var sources: [Source] = []
    private let bareKind: ObjectKind
    private var known: Set<Resource> = []

    /// An empty one. `bareKind`: what a bare ID is of.
    init(bareKind: ObjectKind) { self.bareKind = bareKind }

    /// Reads files; `-`, or none, is standard input.
    init(files: [String], bareKind: ObjectKind) throws {
        self.init(bareKind: bareKind)
        for file in files.isEmpty ? ["-"] : files {
            if file == "-" {
                add([UInt8](FileHandle.standardInput.readDataToEndOfFile()), file: "standard input")
            } else {
                guard let bytes = Files.read(file, atMost: 1 << 30) else {
                    throw Unreadable(description: "\(file) cannot be read: \(String(cString: strerror(errno)))")
                }
                add(bytes, file: file)
            }
        }
    }

    /// Reads one more list; `file` is what it is called.
    mutating func add(_ bytes: [UInt8], file: String) {
        let rows = DelimitedText(bytes).rows
        let form = Form(rows)
        var source = Source(file: file, form: form)
        for row in rows {
            if form.isHeader(row) || form.isComment(row) || row.fields.allSatisfy(\.isEmpty) {
                source.other += 1
                continue
            }
            let things = things(in: row, form)
            if things.isEmpty {
                source.skipped += 1
                skipped.append(SkippedLine(file: file, line: row.line, reason: Self.reason(row)))
            } else {
                let new = things.filter { known.insert($0).inserted }
                if !new.isEmpty, let album = album(in: row, form) { albums[album, default: 0] += 1 }
                resources += new
                if new.isEmpty { source.repeated += 1 } else { source.named += 1 }
            }
        }
        sources.append(source)
    }

    /// What the column for it says, else what is linked. A row of a table is about one thing and may name its artists and album as well,
    /// so what counts is of the kind of the first; a line of a list may name several of any kind. A link or a URI says what it is; a bare ID
    /// may also be a word of 22 letters, so it counts only where there is neither.
    private func things(in row: DelimitedText.Row, _ form: Form) -> [Resource] {
        if let column = form.column, row.fields.indices.contains(column), let thing = thing(row.fields[column], bare: bareKind) {
            return [thing.resource]
        }
        let linked = row.fields.flatMap { Self.words(of: $0) }.compactMap { thing($0, bare: nil) }
        if let first = linked.first { return linked.filter { !form.isTable || $0.kind == first.kind }.map(\.resource) }
        let bare = row.fields.compactMap { thing($0, bare: bareKind)?.resource }
        return form.isTable && bare.count < row.fields.count ? Array(bare.prefix(1)) : bare
    }

    /// The one album that a table's row names besides, by a link or a URI.
    private func album(in row: DelimitedText.Row, _ form: Form) -> Resource? {
        guard form.isTable else { return nil }
        let named = Set(
            row.fields.flatMap { Self.words(of: $0) }.compactMap { thing($0, bare: nil) }.filter { $0.kind == .album }.map(\.resource))
        return named.count == 1 ? named.first : nil
    }

    private func thing(_ text: String, bare: ObjectKind?) -> (kind: ObjectKind, resource: Resource)? {
        if let named = SpotifyID.named(by: text) { return (named.kind, .object(named.kind, named.id, market: nil)) }
        guard let bare, let id = SpotifyID(text) else { return nil }
        return (bare, .object(bare, id, market: nil))
    }

    /// The words of a field, without the brackets and points that people put around a link.
    private static func words(of field: String) -> [String] {
        field.split { $0.isWhitespace || "<>()[]{}\"'|".contains($0) }.map { $0.trimmingCharacters(in: CharacterSet(charactersIn: ".!*-")) }
    }

    private static func reason(_ row: DelimitedText.Row) -> String {
        let words = row.fields.flatMap { Self.words(of: $0) }.map { $0.lowercased() }
        func contains(_ parts: String...) -> Bool { words.contains { word in parts.contains { part in word.contains(part) } } }
        if contains("spotify:local:") { return "a file on somebody's own disk, which Spotify does not have" }
        if contains("spotify.link/", "spoti.fi/", "tospotify.com/") {
            return "a short link: open it, and take the address that it leads to"
        }
        if contains("spotify:", "open.spotify.com/") {
            return
                "not the link or URI of \(ObjectKind.allCases.map(\.rawValue).joined(separator: ", ")), whose IDs have 22 letters and digits"
        }
        if row.hasLoneQuote { return "a quote that is not closed, and no link, URI or ID" }
        return "no link, URI or ID of Spotify's"
    }
}

extension WarmList {
    /// What wrote a list, as its header says, and where the things stand in it.
    struct Form {
        let name: String
        let isTable: Bool
        /// The column that says what a row is about; nil where any may.
        let column: Int?
        private let headerLine: Int?

        fileprivate init(_ rows: [DelimitedText.Row]) {
            let filled = rows.filter { !$0.fields.allSatisfy(\.isEmpty) }
            let hasColumns = filled.count { $0.fields.count > 1 } * 2 > filled.count
            let first = filled.first { !hasColumns || $0.fields.count > 1 }
            let columns = first.map { $0.fields.count > 1 ? $0.fields.map { $0.lowercased() } : [] } ?? []
            let program = Self.programs.first { Set(columns).isSuperset(of: $0.columns) }
            column = Self.subjects.lazy.compactMap { columns.firstIndex(of: $0) }.first
            isTable = hasColumns || program != nil || column != nil
            let namesColumns = isTable && !columns.contains { SpotifyID($0) != nil || SpotifyID.named(by: $0) != nil }
            headerLine = namesColumns ? first?.line : nil
            name = program.map { "an export of \($0.name)" } ?? (hasColumns || column != nil ? "a table" : "a plain list")
        }

        fileprivate func isHeader(_ row: DelimitedText.Row) -> Bool { row.line == headerLine }

        /// In a table a row whose first field is `#9 Dream` is a song.
        fileprivate func isComment(_ row: DelimitedText.Row) -> Bool {
            row.fields.first?.hasPrefix("#") == true && (!isTable || row.fields.count == 1)
        }

        /// By columns that one program's exports have and the others' lack; an older Exportify wrote "Spotify ID".
        private static let programs: [(name: String, columns: Set<String>)] = [
            ("TuneMyMusic", ["track name", "artist name", "playlist name", "type"]), ("Exportify", ["track uri", "track name"]),
            ("Exportify", ["spotify id", "track name"]), ("Exportify", ["spotify uri", "track name"]),
            ("Soundiiz", ["title", "artist", "album", "isrc"]),
        ]
        private static let subjects = ["track uri", "spotify uri", "spotify - id", "spotify id", "uri", "url"]
    }
}

/// Rows of comma-separated values (RFC 4180), with semicolons and tabs as separators too; a plain list is rows of one field. What people
/// have is often not quite that: a field that begins with a quote and goes on without one (`"Helden`), another coding than UTF-8, all kinds
/// of line ends. Nothing of it takes more than its own line along.
private struct DelimitedText {
    /// A row: the number of its first line, from 1, and its fields without the space around them.
    struct Row {
        let line: Int
        var fields: [String] = []
        /// A field began with a quote that nothing closes; it was read as an ordinary character.
        var hasLoneQuote = false
    }

    private(set) var rows: [Row] = []
    private let scalars: [Unicode.Scalar]
    private var at = 0
    private var line = 1

    init(_ bytes: [UInt8]) {
        scalars = Array(Self.decoded(bytes).unicodeScalars)
        while at < scalars.count { rows.append(nextRow()) }
    }

    private mutating func nextRow() -> Row {
        var row = Row(line: line)
        while true {
            row.fields.append(nextField(&row))
            guard at < scalars.count else { return row }
            let end = scalars[at]
            at += 1
            if Self.isSeparator(end) { continue }
            if end == "\r", at < scalars.count, scalars[at] == "\n" { at += 1 }
            line += 1
            return row
        }
    }

    private mutating func nextField(_ row: inout Row) -> String {
        if at < scalars.count, scalars[at] == "\"" {
            if let end = closingQuote(of: at) { return quoted(to: end) }
            row.hasLoneQuote = true
        }
        let start = at
        skip { !Self.isSeparator($0) && !Self.isLineEnd($0) }
        return text(start..<at).trimmingCharacters(in: .whitespaces)
    }

    /// The field between the quote here and the one at `end`; goes on behind it.
    private mutating func quoted(to end: Int) -> String {
        let inside = at + 1..<end
        for place in inside where scalars[place] == "\n" || scalars[place] == "\r" && scalars[place + 1] != "\n" { line += 1 }
        at = end + 1
        skip { $0 == " " }
        return text(inside).replacingOccurrences(of: "\"\"", with: "\"").trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// The quote that ends the field which begins with one. A name may go over several lines, but no line that it goes over names a thing
    /// of Spotify's: where one does, the first quote was a lone one, and the line is a row of its own.
    private func closingQuote(of start: Int) -> Int? {
        var place = start + 1
        var lineStart = place
        var linesLeft = Self.mostLinesOfAField
        while place < scalars.count {
            if scalars[place] == "\"" {
                if place + 1 < scalars.count, scalars[place + 1] == "\"" {
                    place += 1
                } else if endsField(place + 1) {
                    return place
                }
            } else if Self.isLineEnd(scalars[place]) {
                linesLeft -= 1
                if linesLeft == 0 || namesSomething(lineStart..<place) { return nil }
                lineStart = place + 1
            }
            place += 1
        }
        return nil
    }

    private static let mostLinesOfAField = 100

    private func endsField(_ place: Int) -> Bool {
        let next = scalars[place...].first { $0 != " " }
        return next.map { Self.isSeparator($0) || Self.isLineEnd($0) } ?? true
    }

    private func namesSomething(_ range: Range<Int>) -> Bool {
        scalars[range].split { Self.isSeparator($0) || $0 == " " || $0 == "\"" }.contains { part in
            let word = text(part.startIndex..<part.endIndex)
            return SpotifyID(word) != nil || SpotifyID.named(by: word) != nil
        }
    }

    private mutating func skip(while goesOn: (Unicode.Scalar) -> Bool) {
        while at < scalars.count, goesOn(scalars[at]) { at += 1 }
    }

    private func text(_ range: Range<Int>) -> String {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars[range])
        return String(text)
    }

    private static func isSeparator(_ scalar: Unicode.Scalar) -> Bool { scalar == "," || scalar == ";" || scalar == "\t" }
    private static func isLineEnd(_ scalar: Unicode.Scalar) -> Bool { scalar == "\n" || scalar == "\r" }

    // MARK: - Coding

    /// UTF-8 or, as Excel's "Unicode text" and PowerShell's `>` write, UTF-16, with its mark or without. What is neither loses its
    /// accents, which no ID has.
    private static func decoded(_ bytes: [UInt8]) -> Substring {
        let marks: [([UInt8], String.Encoding)] = [([0xFF, 0xFE], .utf16LittleEndian), ([0xFE, 0xFF], .utf16BigEndian)]
        for (mark, encoding) in marks {
            if bytes.starts(with: mark), let text = String(bytes: bytes.dropFirst(2), encoding: encoding) { return text[...] }
        }
        if let encoding = unmarkedUTF16(bytes.prefix(200)), let text = String(bytes: bytes, encoding: encoding) { return text[...] }
        let text = String(decoding: bytes, as: UTF8.self)
        return text.unicodeScalars.first == "\u{FEFF}" ? Substring(text.unicodeScalars.dropFirst()) : text[...]
    }

    /// Links and IDs are ASCII: in UTF-16 every second byte of them is 0.
    private static func unmarkedUTF16(_ bytes: ArraySlice<UInt8>) -> String.Encoding? {
        let zeros = [0, 1].map { odd in bytes.enumerated().count { $0.offset % 2 == odd && $0.element == 0 } }
        guard max(zeros[0], zeros[1]) > bytes.count / 4 else { return nil }
        return zeros[0] > zeros[1] ? .utf16BigEndian : .utf16LittleEndian
    }
}
