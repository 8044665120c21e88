import Crypto

/// Tells whether a stored password hash is still the same one, without keeping it: a SHA-256 of it.
struct Fingerprint: Sendable, Equatable {
    let bytes: [UInt8]

    init(of account: Account) { self.init(passwordHash: account.passwordHash) }

    init(passwordHash: String) { bytes = Array(SHA256.hash(data: Array(passwordHash.utf8))) }

    /// As read from the database.
    init(stored: [UInt8]) { bytes = stored }
}
