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
