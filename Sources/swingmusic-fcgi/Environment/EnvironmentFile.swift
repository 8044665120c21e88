import Glibc
import Platform

/// A file of `NAME=value` lines, as systemd's `EnvironmentFile=` and Compose's `env_file:` read it (systemd.exec(5)).
struct EnvironmentFile {
    static let usualPath = "/etc/swingmusic-fcgi/environment"

    let path: String
    let variables: [String: String]

    enum Fault: Error, CustomStringConvertible {
        /// errno.
        case unreadable(String, CInt)
        case line(String, Int)

        var description: String {
            switch self {
            case .unreadable(let path, let code): "\(path) cannot be read: \(String(cString: strerror(code)))"
            case .line(let path, let number): "\(path):\(number): is not NAME=value; a comment begins with #"
            }
        }

        /// Another user may read it.
        var isForbidden: Bool {
            if case .unreadable(_, let code) = self { code == EACCES || code == EPERM } else { false }
        }
    }

    init(path: String) throws(Fault) {
        errno = 0
        guard let bytes = Files.read(path, atMost: 1 << 20) else { throw .unreadable(path, errno == 0 ? EFBIG : errno) }
        self.path = path
        variables = try Self.variables(in: String(decoding: bytes, as: UTF8.self), of: path)
    }

    static func variables(in text: String, of path: String = "") throws(Fault) -> [String: String] {
        var variables: [String: String] = [:]
        var rest = text.unicodeScalars[...]
        var number = 0
        while !rest.isEmpty {
            number += 1
            let first = number
            let line = Line(&rest, &number)
            guard line.isMeant else { continue }
            guard let (name, value) = line.assignment else { throw .line(path, first) }
            variables[name] = value
        }
        return variables
    }

    /// One line, or several where a quote or a backslash at the end carries it on.
    private struct Line {
        private var name = ""
        private var value = ""
        private var hasSign = false
        private var isComment = false

        var isMeant: Bool { !isComment && (hasSign || !name.allSatisfy(\.isWhitespace)) }

        var assignment: (name: String, value: String)? {
            let name = String(name.drop(while: \.isWhitespace))
            let letters = name.utf8.allSatisfy { Self.isNameByte($0) }
            return hasSign && letters && !name.isEmpty ? (name, value) : nil
        }

        private static func isNameByte(_ byte: UInt8) -> Bool {
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte & 0xDF) || byte == UInt8(ascii: "_")
        }

        /// Takes it from the text.
        init(_ rest: inout Substring.UnicodeScalarView, _ number: inout Int) {
            var quote: Unicode.Scalar?
            var space = ""
            while let scalar = rest.popFirst() {
                if scalar == "\n" {
                    guard quote != nil else { break }
                    number += 1
                }
                if !hasSign {
                    note(scalar)
                } else if scalar == quote {
                    quote = nil
                } else if scalar == "\\", quote != "'" {
                    let next = rest.popFirst()
                    if next == "\n" { number += 1 } else { add(next ?? "\\", &space) }
                } else if quote == nil, scalar == "\"" || scalar == "'", value.isEmpty || space.isEmpty {
                    quote = scalar
                } else if quote == nil, scalar == " " || scalar == "\t" || scalar == "\r" {
                    // Around a value it is nobody's; within one it stays.
                    if !value.isEmpty { space.unicodeScalars.append(scalar) }
                } else {
                    add(scalar, &space)
                }
            }
        }

        private mutating func note(_ scalar: Unicode.Scalar) {
            if scalar == "=", !isComment {
                hasSign = true
            } else {
                if name.allSatisfy(\.isWhitespace), scalar == "#" || scalar == ";" { isComment = true }
                name.unicodeScalars.append(scalar)
            }
        }

        private mutating func add(_ scalar: Unicode.Scalar, _ space: inout String) {
            value += space
            space = ""
            value.unicodeScalars.append(scalar)
        }
    }
}
