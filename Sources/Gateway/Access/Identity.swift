import FastCGI

/// Who a request comes from, for the routes that are not about sessions.
enum Identity: Sendable {
    /// - renewal: the value of a `Set-Cookie` with the renewed token, when one is due.
    case user(id: Int, roles: [String], renewal: String? = nil)
    /// No token at all.
    case anonymous
    /// A token that is no good, with swingmusic's status and words for it.
    case refused(status: Int, message: String)
}

/// Tells who a request comes from. Asked on an event thread.
protocol IdentitySource: Sendable {
    func identity(of request: Request) -> Identity
}

/// Without swingmusic's folder nobody can be known.
struct NobodyKnown: IdentitySource {
    func identity(of request: Request) -> Identity { .anonymous }
}
