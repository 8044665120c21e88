import Foundation

/// Rows of text in aligned columns.
enum Columns {
    static func lines(_ rows: [[String]]) -> [String] {
        let clean = rows.map { $0.map(printable) }
        let widths = (0..<(clean.first?.count ?? 0)).map { column in clean.map { $0[column].count }.max() ?? 0 }
        return clean.map { row in
            let line = zip(row, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }.joined(separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed())
        }
    }

    /// What a browser sent must not steer the terminal.
    private static func printable(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : $0 }))
    }
}
