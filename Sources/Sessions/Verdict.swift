/// Who a request comes from.
public enum Verdict: Sendable {
    case user(SignedIn)
    /// A token that is not good, or a request that is not admissible.
    case refused(Refused)
    /// No token at all, with the refusal for routes that need one.
    case absent(Refused)
}

/// A user whose token is good.
public struct SignedIn: Sendable {
    public let user: User
    /// Names the session to its owner; it is no secret and opens nothing.
    public let sessionID: String
    /// The value of a `Set-Cookie` that the answer should carry: the renewed token.
    public let renewal: String?
}
