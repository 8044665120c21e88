/// What came on FCGI_STDIN.
public enum Body: Sendable, Equatable {
    case none
    case bytes([UInt8])
    /// More than the policy's limit; it was not kept.
    case tooLarge
    /// The policy did not want it.
    case ignored
}

/// What to do with a body, decided from the parameters before it is read.
public enum BodyPolicy: Sendable, Equatable {
    /// Up to this many bytes; a longer one arrives as `Body.tooLarge`.
    case read(limit: Int)
    /// Any CONTENT_LENGTH: whatever arrives is thrown away. nginx's `auth_request` sends the main request's length with no body at all.
    case ignore
}
