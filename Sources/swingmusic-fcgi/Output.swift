import ArgumentParser
import CSystem
import Foundation
import JSON
import Platform

/// What commands print: results on standard output, everything else on standard error.
enum Output {
    static func json(_ value: JSONValue) {
        let style = JSONWriter.Style(escapes: .short, sortsNames: true, isPretty: true)
        FileHandle.standardOutput.write(Data(JSONWriter.bytes(of: value, style) + [UInt8(ascii: "\n")]))
    }

    static func complain(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }

    /// An instant in milliseconds since 1970, as people read it.
    static func time(_ milliseconds: Int64) -> String {
        WallTime(milliseconds: milliseconds).text
    }

    /// An instant as a clock on the wall shows it here, with the day when it is another one: `18:05`, `Tue 6:30`.
    static func minute(_ instant: WallTime, now: WallTime = SystemClock().wall) -> String {
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_GB")
        func text(_ form: String, _ time: WallTime) -> String {
            format.dateFormat = form
            return format.string(from: Date(timeIntervalSince1970: Double(time.milliseconds) / 1000))
        }
        return text(text("yyyyMMdd", instant) == text("yyyyMMdd", now) ? "HH:mm" : "EEE HH:mm", instant)
    }

    /// `3 h 12 min`, `12 min`, `40 s`.
    static func length(_ seconds: Int64) -> String {
        switch seconds {
        case ..<90: "\(max(seconds, 0)) s"
        case ..<5400: "\((seconds + 30) / 60) min"
        default: "\(seconds / 3600) h \(seconds % 3600 / 60) min"
        }
    }
}

/// Rows of text in aligned columns.
enum TextColumns {
    static func lines(_ rows: [[String]]) -> [String] {
        let clean = rows.map { $0.map(\.printable) }
        let widths = (0..<(clean.first?.count ?? 0)).map { column in clean.map { $0[column].count }.max() ?? 0 }
        return clean.map { row in
            let line = zip(row, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }.joined(separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed())
        }
    }
}

extension String {
    /// Without what steers a terminal, ends a line or turns the direction of what follows (U+FFFD in its place): others have written it.
    var printable: String {
        guard !utf8.allSatisfy({ (0x20..<0x7f).contains($0) }) else { return self }
        return String(
            String.UnicodeScalarView(
                unicodeScalars.map { scalar in
                    switch scalar.properties.generalCategory {
                    case .control, .format, .lineSeparator, .paragraphSeparator: "\u{FFFD}"
                    default: scalar
                    }
                }))
    }
}

/// Exit statuses beside success and those of the argument parser; docs/operating.md lists all.
enum ExitStatus {
    /// There is nothing of that name.
    static let nothingThere = ExitCode(3)
    /// Ended by Ctrl-C or SIGTERM, as shells call it.
    static let interrupted = ExitCode(130)
}

/// The program's version, as `--version` and the status routes say it.
enum ProgramVersion {
    /// As a product token (RFC 9110, section 10.1.5).
    static let product = "swingmusic-fcgi/0.1.0"
    static let text = String(product.drop { $0 != "/" }.dropFirst())
    /// With the commit that a release was built from, for `--version`.
    static let full = { (commit: String) in commit.isEmpty ? text : "\(text) (commit \(commit))" }(String(cString: csys_commit()))
}
