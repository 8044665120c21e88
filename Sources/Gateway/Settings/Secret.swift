import Crypto

/// A value that never shows itself in a log line or a description.
public struct Secret: Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    private let bytes: [UInt8]

    public init(_ text: String) { bytes = Array(text.utf8) }

    public var description: String { "(secret)" }
    public var debugDescription: String { description }

    /// Compares digests of both, so that the time taken tells nothing of the secret, its length included.
    public func equals(_ text: some StringProtocol) -> Bool {
        let key = SymmetricKey(size: .bits256)
        let code = HMAC<SHA256>.authenticationCode(for: bytes, using: key)
        return HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: Array(text.utf8), using: key)
    }
}
