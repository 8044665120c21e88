import Crypto
import CryptoExtras

/// swingmusic's password hashes: PBKDF2-HMAC-SHA256, 100,000 rounds, 32 bytes, lower-case hex (RFC 8018, section 5.2).
enum PasswordHash {
    static let rounds = 100_000

    /// Takes some 12 to 40 ms of a core. nil where the library refuses.
    static func make(password: String, salt: String) -> String? {
        let key = try? KDF.Insecure.PBKDF2.deriveKey(
            from: Array(password.utf8), salt: Array(salt.utf8), using: .sha256, outputByteCount: 32, unsafeUncheckedRounds: rounds)
        return key?.withUnsafeBytes { Hexadecimal.text($0) }
    }

    /// Byte for byte, in a time that does not depend on where they differ. Upper-case hex does not match.
    static func isSame(_ left: String, _ right: String) -> Bool {
        let (left, right) = (Array(left.utf8), Array(right.utf8))
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}

enum Hexadecimal {
    private static let digits = Array("0123456789abcdef".utf8)

    static func text(_ bytes: some Sequence<UInt8>) -> String {
        String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
