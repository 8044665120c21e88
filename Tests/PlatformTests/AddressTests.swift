import Platform
import Testing

@Suite("Addresses and networks") struct AddressTests {
    private func address(_ text: String) throws -> InternetAddress { try #require(InternetAddress(text), "\(text)") }

    @Test(
        "What is private cannot be reached from the Internet",
        arguments: [
            ("10.0.0.1", true), ("10.255.255.255", true), ("11.0.0.1", false), ("9.255.255.255", false),
            ("172.16.0.1", true), ("172.31.255.255", true), ("172.15.0.1", false), ("172.32.0.1", false),
            ("192.168.1.1", true), ("192.169.0.1", false), ("192.167.0.1", false),
            ("100.64.0.1", true), ("100.127.255.255", true), ("100.63.0.1", false), ("100.128.0.1", false),
            ("169.254.1.1", true), ("169.253.1.1", false), ("127.0.0.1", true), ("127.255.0.1", true), ("128.0.0.1", false),
            ("0.0.0.0", false), ("203.0.113.5", false), ("255.255.255.255", false),
            ("::1", true), ("::", false), ("::2", false), ("fd00::1", true), ("fc00::1", true), ("fe00::1", false),
            ("fe80::1", true), ("fe80::1%eth0", true), ("febf::1", true), ("fec0::1", false), ("2001:db8::1", false),
            ("::ffff:10.0.0.1", true), ("::ffff:203.0.113.5", false),
        ])
    func isPrivate(_ text: String, _ expected: Bool) throws {
        #expect(try address(text).isPrivate == expected)
    }

    @Test(
        "A network holds what begins like it and nothing else",
        arguments: [
            ("10.0.0.0/24", ["10.0.0.0", "10.0.0.255", "::ffff:10.0.0.7"], ["10.0.1.0", "9.255.255.255", "::10.0.0.7", "a00::"]),
            ("10.0.0.2", ["10.0.0.2", "::ffff:10.0.0.2"], ["10.0.0.3", "10.0.0.0"]),
            ("10.0.0.0/31", ["10.0.0.0", "10.0.0.1"], ["10.0.0.2"]),
            ("fd00:1:2::/48", ["fd00:1:2::", "fd00:1:2:ffff::1"], ["fd00:1:3::", "10.0.0.1"]),
            ("fd00::2", ["fd00::2"], ["fd00::3", "fd00::"]),
            ("0.0.0.0/0", ["8.8.8.8", "::ffff:1.2.3.4"], ["2001:db8::1", "::1"]),
            ("::/0", ["2001:db8::1", "10.0.0.1"], []),
        ])
    func contains(_ range: String, _ inside: [String], _ outside: [String]) throws {
        let range = try #require(AddressRange(range))
        for text in inside { #expect(range.contains(try address(text)), "\(text)") }
        for text in outside { #expect(!range.contains(try address(text)), "\(text)") }
    }

    @Test(
        "What is no network is none, and neither is one that may mean another",
        arguments: [
            "", "10.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.5/8", "fd00::1/64", "fd00::/129",
            "host.example",
            "localhost", " 10.0.0.1", "10.0.0.1 ", "10.0.0.1/8/8", "010.0.0.1", "fe80::1%eth0", "10.0.0.256", "0x0a000001", "/8",
        ])
    func malformed(_ text: String) {
        #expect(AddressRange(text) == nil)
    }

    @Test(
        "A network is private when all of it is, and is shown as it was written",
        arguments: [
            ("10.0.0.0/8", true), ("10.0.0.0/7", false), ("192.168.0.0/24", true), ("0.0.0.0/0", false), ("::/0", false),
            ("fd00::/8", true),
            ("203.0.113.0/24", false), ("100.64.0.9", true),
        ])
    func privateRange(_ text: String, _ expected: Bool) throws {
        let range = try #require(AddressRange(text))
        #expect(range.isPrivate == expected)
        #expect("\(range)" == text)
    }
}
