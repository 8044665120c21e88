import Crypto
import Foundation

/// HTML as text. Whatever comes from elsewhere goes through `text`, which is the only way to it but for the page's own tags.
struct Markup: ExpressibleByStringInterpolation, Sendable {
    let source: String

    init(stringLiteral value: String) { source = value }
    init(stringInterpolation: Interpolation) { source = stringInterpolation.source }
    init(_ parts: [Markup]) { source = parts.map(\.source).joined() }

    /// Interpolated text is escaped, interpolated markup is not; there is no other way in.
    struct Interpolation: StringInterpolationProtocol {
        fileprivate var source = ""

        init(literalCapacity: Int, interpolationCount: Int) { source.reserveCapacity(literalCapacity * 2) }
        mutating func appendLiteral(_ literal: String) { source += literal }
        mutating func appendInterpolation(_ markup: Markup) { source += markup.source }
        mutating func appendInterpolation(_ text: String) { source += Markup.escaped(text) }
        mutating func appendInterpolation(_ number: some BinaryInteger) { source += "\(number)" }
    }

    /// Names a style or a script in a policy (CSP Level 3, 2.3.1).
    var hash: String { "sha256-" + Data(SHA256.hash(data: Data(source.utf8))).base64EncodedString() }

    /// The characters that end a text or a quoted attribute (HTML standard, 13.1.2), as references; control characters, which HTML
    /// forbids, as U+FFFD.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            case _ where scalar.value < 32 && scalar != "\n" && scalar != "\t" || scalar.value == 127: escaped += "\u{FFFD}"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
