import Crypto
import Foundation
import Platform

/// A setting that does not parse: ends the start with one line.
public struct SettingError: Error, CustomStringConvertible, Sendable {
    public var name: String
    public var problem: String
    public var description: String { "\(name): \(problem)" }
}

/// Reads single settings from an environment. An empty variable counts as not set.
struct SettingsReader {
    var environment: [String: String]

    func text(_ name: SettingName) throws(SettingError) -> String? {
        if let file = name.fileVariable, let path = environment[file], !path.isEmpty {
            guard value(name.rawValue) == nil else {
                throw SettingError(name: file, problem: "\(name.rawValue) is set as well; set one of the two")
            }
            return try contents(of: path, for: file)
        }
        return value(name.rawValue)
    }

    func duration(_ name: SettingName, default fallback: Duration, atLeast least: Duration = .milliseconds(1)) throws(SettingError)
        -> Duration
    {
        guard let text = try text(name) else { return fallback }
        guard let duration = Duration(setting: text) else {
            throw wrong(name, text, "is not a duration; write a whole number and ms, s, m, h or d, as in 25s")
        }
        guard duration >= least else { throw wrong(name, text, "is too short") }
        return duration
    }

    func number(_ name: SettingName, default fallback: Int, in range: ClosedRange<Int>) throws(SettingError) -> Int {
        guard let text = try text(name) else { return fallback }
        guard let number = Int(text), range.contains(number) else {
            throw wrong(name, text, "is not a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func choice<Choice: RawRepresentable & CaseIterable>(_ name: SettingName, default fallback: Choice) throws(SettingError) -> Choice
    where Choice.RawValue == String {
        guard let text = try text(name) else { return fallback }
        guard let choice = Choice(rawValue: text) else {
            let known = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw wrong(name, text, "is none of: \(known)")
        }
        return choice
    }

    func url(_ name: SettingName, default fallback: String) throws(SettingError) -> String {
        guard let text = try text(name) else { return fallback }
        guard let url = BaseURL(text) else { throw wrong(name, text, "is not http:// or https:// with a host and no path") }
        return url.text
    }

    /// - Parameter shown: the value as typed; never for a secret.
    func wrong(_ name: SettingName, _ shown: String, _ problem: String) -> SettingError {
        SettingError(name: name.rawValue, problem: "'\(shown)' \(problem)")
    }

    private func value(_ variable: String) -> String? {
        environment[variable].flatMap { $0.isEmpty ? nil : $0 }
    }

    private func contents(of path: String, for variable: String) throws(SettingError) -> String {
        guard let bytes = Files.read(path, atMost: 1 << 20) else {
            throw SettingError(name: variable, problem: "the file \(path) cannot be read")
        }
        let text = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        guard !text.isEmpty else { throw SettingError(name: variable, problem: "the file \(path) is empty") }
        return text
    }
}

/// A value that never shows itself in a log line or a description.
public struct Secret: Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    private let bytes: [UInt8]

    public init(_ text: String) { bytes = Array(text.utf8) }

    public var description: String { "(secret)" }
    public var debugDescription: String { description }

    /// Three parts with dots between them, as signed tokens have (RFC 7519).
    var hasFormOfToken: Bool { bytes.count { $0 == UInt8(ascii: ".") } == 2 }

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
