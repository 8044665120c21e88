/// What a route asks of who uses it, and as whom its work then has them. A route is declared with one and let in by it: there is no other way to
/// what only a user may do.
public struct Requirement<Asker: Sendable>: Sendable {
    public let token: RequiredToken
    let duplicates: DuplicateCookies
    /// Whether it changes something: then a page of another site must not have sent it. nil: as the request's method says.
    let changes: Bool?
    /// Who it is; throws for who may not use the route.
    fileprivate let resolve: @Sendable (Authentication) throws(Refused) -> Asker

    /// - Throws: why a request may not use the route.
    public func asker(_ authentication: Authentication) throws(Refused) -> Asker { try resolve(authentication) }

    var kind: TokenKind { token == .refresh ? .refresh : .access }
    /// A token that is not needed is not renewed either.
    var renews: Bool { token == .access }
}

/// Which token a route takes.
public enum RequiredToken: Sendable {
    /// A user's access token.
    case access
    /// A user's refresh token.
    case refresh
    /// None, or a user's access token; a bad one is refused.
    case optional
}

extension Requirement<AuthenticatedRequest> {
    /// A user with a session.
    /// - Parameters:
    ///   - duplicates: as swingmusic does it in the routes that are its own.
    ///   - changes: whether it changes something; nil: as the request's method says.
    public static func session(_ duplicates: DuplicateCookies = .refused, changes: Bool? = nil) -> Requirement {
        Requirement(token: .access, duplicates: duplicates, changes: changes) { authentication throws(Refused) in
            try authentication.signedIn()
        }
    }

}

/// A request whose refresh token is good.
public struct RefreshingRequest: Sendable {
    let authenticated: AuthenticatedRequest
}

extension Requirement<RefreshingRequest> {
    /// Who has a refresh token.
    public static let refresh = Requirement(token: .refresh, duplicates: .firstCounts, changes: true) { authentication throws(Refused) in
        RefreshingRequest(authenticated: try authentication.signedIn())
    }
}

extension Requirement<Authentication> {
    /// Anybody, but for who brings a bad token.
    public static func optional(_ duplicates: DuplicateCookies = .refused) -> Requirement {
        Requirement(token: .optional, duplicates: duplicates, changes: nil) { authentication throws(Refused) in
            if case .refused(let refused) = authentication { throw refused }
            return authentication
        }
    }
}
