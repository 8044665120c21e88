/// The one token that counts in a request: the cookie before the Authorization header.
struct Credential: Equatable {
    enum Place: Sendable { case cookie, header }

    var text: [UInt8]
    var place: Place

    /// What becomes of a request with more than one cookie of the name.
    enum Duplicates: Sendable {
        /// As swingmusic does it.
        case firstCounts
        /// Where something behind us is to use what we checked: it might use another one.
        case refused
    }

    enum Search: Equatable {
        case found(Credential)
        case absent(message: String)
        case malformed(Refused)
    }

    static func search(_ caller: Caller, for kind: TokenKind, duplicates: Duplicates) -> Search {
        let name = kind == .access ? CookieText.access : CookieText.refresh
        let cookies = caller.cookies.isEmpty ? [] : CookieText.values(of: name, in: caller.cookies)
        if duplicates == .refused, CookieText.mentions(of: name, in: caller.cookies) != min(cookies.count, 1) {
            return .malformed(.duplicateCookies)
        }
        if let cookie = cookies.first, !cookie.isEmpty { return .found(Credential(text: cookie, place: .cookie)) }
        switch BearerText(caller.authorization) {
        case .token(let text): return .found(Credential(text: text, place: .header))
        case .malformed: return .malformed(.badAuthorization)
        case .absent: return .absent(message: missing(kind, "Missing Authorization Header"))
        case .otherScheme:
            return .absent(
                message: missing(kind, "Missing 'Bearer' type in 'Authorization' header. Expected 'Authorization: Bearer <JWT>'"))
        }
    }

    private static func missing(_ kind: TokenKind, _ detail: String) -> String {
        "Missing JWT in cookies or headers (Missing cookie \"\(kind.name)_token_cookie\"; \(detail))"
    }
}
