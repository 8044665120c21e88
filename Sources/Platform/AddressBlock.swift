import Glibc

/// The part of an address that one caller commands, for counting: an IPv4 address, or the /64 of an IPv6 one (RFC 6177).
public enum AddressBlock {
    /// - Parameter address: as nginx writes it (`REMOTE_ADDR`).
    public static func name(of address: String) -> String {
        guard address.contains(":"), let known = InternetAddress(address) else { return address.isEmpty ? "unknown" : address }
        if known.isIPv4 { return known.bytes[12...].map(String.init).joined(separator: ".") }
        return known.bytes[0..<8].map { String($0, radix: 16) }.joined(separator: ".")
    }
}

/// An address of IPv4 or IPv6, as 16 bytes: the first as `::ffff:a.b.c.d`, and so the same as it is seen on a socket of the second (RFC 4291,
/// section 2.5.5.2).
public struct InternetAddress: Sendable, Equatable, CustomStringConvertible {
    let bytes: [UInt8]

    private static let mapped: [UInt8] = [UInt8](repeating: 0, count: 10) + [0xff, 0xff]

    /// Reads `10.0.0.2` or `fe80::1`, an interface behind a `%` left out; nil for anything else, names of hosts too.
    public init?(_ text: String) {
        let plain = text.contains(":") ? String(text.prefix { $0 != "%" }) : text
        var (six, four) = (in6_addr(), in_addr())
        if inet_pton(AF_INET6, plain, &six) == 1 {
            bytes = withUnsafeBytes(of: six) { Array($0) }
        } else if inet_pton(AF_INET, plain, &four) == 1 {
            bytes = Self.mapped + withUnsafeBytes(of: four) { Array($0) }
        } else {
            return nil
        }
    }

    /// Of a socket's name; nil for one of another family.
    public init?(_ name: UnsafePointer<sockaddr>) {
        let raw = UnsafeRawPointer(name)
        switch CInt(name.pointee.sa_family) {
        case AF_INET6:
            bytes = withUnsafeBytes(of: raw.loadUnaligned(as: sockaddr_in6.self).sin6_addr) { Array($0) }
        case AF_INET:
            bytes = Self.mapped + withUnsafeBytes(of: raw.loadUnaligned(as: sockaddr_in.self).sin_addr) { Array($0) }
        default: return nil
        }
    }

    /// The other end of a connection (getpeername(2)); nil for a Unix socket's, and where nobody is there any more.
    public init?(peerOf descriptor: CInt) {
        var name = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let known = withUnsafeMutablePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
                getpeername(descriptor, name, &size) == 0 ? InternetAddress(name) : nil
            }
        }
        guard let known else { return nil }
        self = known
    }

    public var isIPv4: Bool { bytes.starts(with: Self.mapped) }

    /// Nobody on the Internet can send to it.
    public var isPrivate: Bool { AddressRange.privateOnes.contains { $0.contains(self) } }

    public var description: String {
        if isIPv4 { return bytes[12...].map(String.init).joined(separator: ".") }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        inet_ntop(AF_INET6, bytes, &text, socklen_t(text.count))
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// Addresses that begin alike: `10.0.0.0/8`, `fd00::/8`, or one address (CIDR, RFC 4632 and RFC 4291).
public struct AddressRange: Sendable, Equatable, CustomStringConvertible {
    private let first: InternetAddress
    /// How many bits of the 128 are alike.
    private let length: Int

    /// nil for what is neither an address nor a network, and for a network whose address has bits beyond its length: it may mean another.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let name = parts.first, !name.contains("%"), let first = InternetAddress(String(name)) else { return nil }
        self.first = first
        // Of an IPv4 address that is written as one the first 96 bits are not meant.
        let bits = name.contains(":") ? 128 : 32
        guard parts.count == 2 else {
            length = 128
            return
        }
        guard let given = Int(parts[1]), parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }), given <= bits else { return nil }
        length = 128 - bits + given
        guard Self.masked(first.bytes, length) == first.bytes else { return nil }
    }

    public var description: String {
        if length == 128 { return "\(first)" }
        let isIPv4 = first.isIPv4 && length >= 96
        return isIPv4 ? "\(first)/\(length - 96)" : "\(first)/\(length)"
    }

    public func contains(_ address: InternetAddress) -> Bool { Self.masked(address.bytes, length) == first.bytes }

    /// Whether all of it lies in private ones.
    public var isPrivate: Bool { Self.privateOnes.contains { $0.length <= length && $0.contains(first) } }

    /// RFC 1918, RFC 6598 (carriers' NAT, which overlay networks use), RFC 3927, loopback; RFC 4193, RFC 4291 link-local and loopback.
    static let privateOnes = [
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8", "fc00::/7", "fe80::/10", "::1",
    ].compactMap { AddressRange($0) }

    private static func masked(_ bytes: [UInt8], _ length: Int) -> [UInt8] {
        bytes.enumerated().map { place, byte in
            let kept = min(8, max(0, length - place * 8))
            return kept == 8 ? byte : byte & ~UInt8(0xff >> kept)
        }
    }
}
