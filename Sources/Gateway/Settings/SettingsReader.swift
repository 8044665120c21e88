import Crypto
import Foundation
import Glibc
import Platform
import Sessions

/// A setting that does not parse, and how it would.
public struct SettingError: Error, CustomStringConvertible, Sendable {
    public var name: String
    public var problem: String
    /// It names a file that this user may not read; another user may.
    public var isForbidden = false
    public var description: String { "\(name): \(problem)" }
}

/// All settings that do not parse: they end the start, with a line each.
public struct SettingErrors: Error, CustomStringConvertible, Sendable {
    public let all: [SettingError]
    public var description: String { all.map(\.description).joined(separator: "\n") }
}

/// Reads single settings from an environment. An empty variable counts as not set. Goes on with the default where one does not parse, and
/// remembers it.
struct SettingsReader {
    let environment: [String: String]
    private(set) var errors: [SettingError] = []

    init(environment: [String: String]) { self.environment = environment }

    mutating func text(_ name: SettingName) -> String? {
        guard let file = name.fileVariable, let path = value(file) else { return value(name.rawValue) }
        guard value(name.rawValue) == nil else {
            note(file, "\(name.rawValue) is set as well; set one of the two")
            return nil
        }
        return contents(of: path, for: file)
    }

    mutating func duration(_ name: SettingName, default fallback: Duration, atLeast least: Duration = .milliseconds(1)) -> Duration {
        let form = "is not a duration; write a whole number and ms, s, m, h or d, as in 25s"
        guard let duration = parsed(name, form, { Duration(setting: $0) }) else { return fallback }
        guard duration >= least else { return wrong(name, value(name.rawValue) ?? "", "is too short", fallback) }
        return duration
    }

    mutating func number(_ name: SettingName, default fallback: Int, in range: ClosedRange<Int>) -> Int {
        parsed(name, "is not a whole number from \(range.lowerBound) to \(range.upperBound)") {
            Int($0).flatMap { range.contains($0) ? $0 : nil }
        } ?? fallback
    }

    mutating func choice<Choice: RawRepresentable & CaseIterable>(_ name: SettingName, default fallback: Choice) -> Choice
    where Choice.RawValue == String {
        let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
        return parsed(name, "is none of: \(known)") { Choice(rawValue: $0) } ?? fallback
    }

    mutating func url(_ name: SettingName) -> BaseURL? {
        parsed(name, "is not http:// or https:// with a host and no path") { BaseURL($0) }
    }

    /// nil where the setting is not set, and where it does not parse.
    /// - Parameter problem: what follows the value as typed, so never for a secret.
    mutating func parsed<Value>(_ name: SettingName, _ problem: String, _ parse: (String) -> Value?) -> Value? {
        guard let text = text(name) else { return nil }
        return parse(text) ?? wrong(name, text, problem, nil)
    }

    /// - Parameter shown: the value as typed; never for a secret.
    mutating func wrong<Value>(_ name: SettingName, _ shown: String, _ problem: String, _ fallback: Value) -> Value {
        note(name.rawValue, "'\(shown)' \(problem)")
        return fallback
    }

    mutating func note(_ name: String, _ problem: String, isForbidden: Bool = false) {
        errors.append(SettingError(name: name, problem: problem, isForbidden: isForbidden))
    }

    private func value(_ variable: String) -> String? {
        environment[variable].flatMap { $0.isEmpty ? nil : $0 }
    }

    private mutating func contents(of path: String, for variable: String) -> String? {
        guard let bytes = Files.read(path, atMost: 1 << 20) else {
            let isForbidden = access(path, R_OK) != 0 && (errno == EACCES || errno == EPERM)
            note(variable, "the file \(path) cannot be read" + (isForbidden ? " by user \(geteuid())" : ""), isForbidden: isForbidden)
            return nil
        }
        let text = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        if text.isEmpty { note(variable, "the file \(path) is empty") }
        return text.isEmpty ? nil : text
    }
}

/// A value that never shows itself in a log line or a description.
public struct Secret: Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    private let bytes: [UInt8]

    public init(_ text: String) { bytes = Array(text.utf8) }

    public var description: String { "(secret)" }
    public var debugDescription: String { description }

    /// Three parts with dots between them, as signed tokens have (RFC 7519); or that of a client key's token.
    var hasFormOfToken: Bool { bytes.count { $0 == UInt8(ascii: ".") } == 2 || ClientToken.hasForm(bytes) }

    /// A code of a text that nobody makes who does not know the secret (HMAC-SHA256, RFC 2104): 32 bytes.
    func code(of text: String) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: SymmetricKey(data: bytes)))
    }

    /// Compares digests of both, so that the time taken tells nothing of the secret, its length included.
    public func equals(_ text: some StringProtocol) -> Bool {
        let key = SymmetricKey(size: .bits256)
        let code = HMAC<SHA256>.authenticationCode(for: bytes, using: key)
        return HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: Array(text.utf8), using: key)
    }
}

/// Scheme and host of a server, `https://music.example:8443`, without a slash at the end.
public struct BaseURL: Sendable, Hashable {
    public let text: String

    /// Takes `http://` or `https://`, a host name, IPv4 or bracketed IPv6 address, and a port; nil for anything else,
    /// so that nothing else ever stands in a link.
    public init?(_ text: String) {
        var rest = text[...]
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        guard let scheme = ["https://", "http://"].first(where: rest.hasPrefix) else { return nil }
        guard let host = Host(String(rest.dropFirst(scheme.count))) else { return nil }
        self.text = scheme + host.text
    }

    /// - Parameters:
    ///   - scheme: `http` or `https`, as nginx's `REQUEST_SCHEME` has it.
    ///   - host: a request's `Host`.
    init?(scheme: String, host: String) {
        self.init("\(scheme)://\(host)")
    }

    private struct Host {
        let text: String

        init?(_ text: String) {
            let bytes = Array(text.utf8)
            guard !bytes.isEmpty, bytes.count <= 255 else { return nil }
            let name: ArraySlice<UInt8>
            let port: ArraySlice<UInt8>
            if bytes[0] == UInt8(ascii: "["), let end = bytes.firstIndex(of: UInt8(ascii: "]")) {
                name = bytes[1..<end]
                port = bytes[(end + 1)...]
                guard !name.isEmpty, name.allSatisfy({ Self.isHex($0) || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".") })
                else { return nil }
            } else {
                let end = bytes.firstIndex(of: UInt8(ascii: ":")) ?? bytes.endIndex
                name = bytes[..<end]
                port = bytes[end...]
                guard !name.isEmpty, name.allSatisfy(Self.isNameByte) else { return nil }
            }
            guard port.isEmpty || Self.isPort(port) else { return nil }
            self.text = text
        }

        private static func isPort(_ bytes: ArraySlice<UInt8>) -> Bool {
            bytes.first == UInt8(ascii: ":") && (2...6).contains(bytes.count)
                && bytes.dropFirst().allSatisfy { (0x30...0x39).contains($0) }
        }

        private static func isHex(_ byte: UInt8) -> Bool {
            (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte & 0xDF)
        }

        private static func isNameByte(_ byte: UInt8) -> Bool {
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte & 0xDF) || byte == 0x2D || byte == 0x2E || byte == 0x5F
        }
    }
}

/// What `SWINGMUSIC_FCGI_CORS_ORIGINS` says.
public enum AllowedOrigins: Sendable, Equatable {
    /// Pages of these may read answers, and send the session's cookie.
    case named([BaseURL])
    /// `*`: pages of any origin may read answers, and nobody's may send the cookie.
    case anyone

    /// Those that may send the cookie.
    var named: [BaseURL] { if case .named(let origins) = self { origins } else { [] } }
}
