import Glibc

/// The part of an address that one caller commands, for counting: an IPv4 address, or the /64 of an IPv6 one (RFC 6177).
public enum AddressBlock {
    /// - Parameter address: as nginx writes it (`REMOTE_ADDR`).
    public static func name(of address: String) -> String {
        var bytes = in6_addr()
        guard address.contains(":"), inet_pton(AF_INET6, address, &bytes) == 1 else { return address.isEmpty ? "unknown" : address }
        let prefix = withUnsafeBytes(of: bytes) { Array($0) }
        // ::ffff:a.b.c.d is an IPv4 address (RFC 4291, section 2.5.5.2).
        if prefix[0..<10].allSatisfy({ $0 == 0 }), prefix[10] == 0xff, prefix[11] == 0xff {
            return prefix[12...].map(String.init).joined(separator: ".")
        }
        return prefix[0..<8].map { String($0, radix: 16) }.joined(separator: ".")
    }
}
