import Crypto
import Platform

/// What hosts of one account leave for each other in the store: the token so that nobody else can read it, records so that nobody else can have
/// made them. Both keys come from the client secret, which every host has and the store has not (HKDF, RFC 5869).
struct StoreSeal: Sendable {
    private let encryption: SymmetricKey
    private let authentication: SymmetricKey
    /// Tells the secret from others, and does not tell it.
    let mark: String

    init(secret: String) {
        let material = SymmetricKey(data: Array(secret.utf8))
        func key(_ purpose: String) -> SymmetricKey {
            HKDF<SHA256>.deriveKey(
                inputKeyMaterial: material, salt: Array("swingmusic-fcgi shared store".utf8), info: Array(purpose.utf8), outputByteCount: 32
            )
        }
        encryption = key("token")
        authentication = key("record")
        mark = key("mark").withUnsafeBytes { Hexadecimal.text($0.prefix(8)) }
    }

    // MARK: The token

    /// A token with its end, by the wall clock, and whose it is.
    struct Token: Equatable {
        var token: String
        var expiresAt: WallTime
        var issuedFor: String
    }

    /// nil: it cannot be sealed.
    func seal(_ token: Token) -> [UInt8]? {
        let text = "\(token.expiresAt.milliseconds)\n\(token.issuedFor)\n\(token.token)"
        return (try? AES.GCM.seal(Array(text.utf8), using: encryption))?.combined.map { Array($0) }
    }

    /// nil for whatever was not sealed with this secret.
    func token(_ sealed: [UInt8]) -> Token? {
        guard let box = try? AES.GCM.SealedBox(combined: sealed), let bytes = try? AES.GCM.open(box, using: encryption) else { return nil }
        let parts = String(decoding: bytes, as: UTF8.self).split(separator: "\n", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let end = Int64(parts[0]) else { return nil }
        return Token(token: String(parts[2]), expiresAt: WallTime(milliseconds: end), issuedFor: String(parts[1]))
    }

    // MARK: Records

    /// A record begins with its code.
    static let codeBytes = 32

    /// A record of a lookup with its code (HMAC, RFC 2104).
    func signed(_ record: [UInt8], of lookup: String) -> [UInt8] { Array(code(record, lookup)) + record }

    /// nil for whatever was not signed for that lookup with this secret.
    func record(_ signed: [UInt8], of lookup: String) -> [UInt8]? {
        guard signed.count >= Self.codeBytes else { return nil }
        let record = Array(signed[Self.codeBytes...])
        let message = message(record, lookup)
        return HMAC<SHA256>.isValidAuthenticationCode(signed[..<Self.codeBytes], authenticating: message, using: authentication)
            ? record : nil
    }

    private func code(_ record: [UInt8], _ lookup: String) -> HMAC<SHA256>.MAC {
        HMAC<SHA256>.authenticationCode(for: message(record, lookup), using: authentication)
    }

    /// The lookup's length first, so that no two pairs are one message.
    private func message(_ record: [UInt8], _ lookup: String) -> [UInt8] {
        Array("\(lookup.utf8.count) \(lookup)".utf8) + record
    }
}
