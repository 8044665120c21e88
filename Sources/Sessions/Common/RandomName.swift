/// Names from the system's secure random source (getrandom).
enum RandomName {
    /// A version 4 UUID in lower case (RFC 9562, section 5.4).
    static func uuid() -> String {
        var bytes = self.bytes(16)
        bytes[6] = bytes[6] & 0x0f | 0x40
        bytes[8] = bytes[8] & 0x3f | 0x80
        let digits = Array(Hexadecimal.text(bytes))
        return [digits[0..<8], digits[8..<12], digits[12..<16], digits[16..<20], digits[20..<32]].map { String($0) }.joined(separator: "-")
    }

    /// 128 bits, 22 letters of base64url.
    static func session() -> String { String(decoding: Base64URL.encode(bytes(16)), as: UTF8.self) }

    /// 36 bits, six letters of base64url.
    static func pairCode() -> String { String(decoding: Base64URL.encode(bytes(6)).prefix(6), as: UTF8.self) }

    private static func bytes(_ count: Int) -> [UInt8] {
        var source = SystemRandomNumberGenerator()
        return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &source) }
    }
}
