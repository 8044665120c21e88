import Foundation
import Spotify

/// Rows of comma-separated values (RFC 4180), with semicolons and tabs as separators too; a plain list is rows of one field. What people
/// have is often not quite that: a field that begins with a quote and goes on without one (`"Helden`), another coding than UTF-8, all kinds
/// of line ends. Nothing of it takes more than its own line along.
struct DelimitedText {
    /// A row: the number of its first line, from 1, and its fields without the space around them.
    struct Row {
        let line: Int
        fileprivate(set) var fields: [String] = []
        /// A field began with a quote that nothing closes; it was read as an ordinary character.
        fileprivate(set) var hasLoneQuote = false
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
