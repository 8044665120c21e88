/// The claims of a token whose signature is good.
struct TokenClaims: Sendable, Equatable {
    var kind: TokenKind
    var subject: JSONValue
    var userID: SubjectID
    /// Whole seconds since 1970, as Python's `int()` reads the claim; nil where it is absent.
    var issuedAt: Int64?
    var notBefore: Int64?
    var expiresAt: Int64?

    /// Checks the shapes in PyJWT's order (iat, nbf, exp, jti, then sub); what depends on the time is `check`.
    init(payload: JSONValue) throws(TokenFault) {
        issuedAt = try Self.instant("iat", in: payload)
        notBefore = try Self.instant("nbf", in: payload)
        expiresAt = try Self.instant("exp", in: payload)
        if let identifier = payload["jti"], identifier.text == nil { throw .identifier }
        guard let subject = payload["sub"] else { throw .subjectMissing }
        guard let userID = SubjectID(subject: subject) else { throw .subjectShape }
        kind = payload["type"]?.text == TokenKind.refresh.name ? .refresh : .access
        self.subject = subject.withoutDuplicates
        self.userID = userID
    }

    private static func instant(_ claim: String, in payload: JSONValue) throws(TokenFault) -> Int64? {
        guard let value = payload[claim] else { return nil }
        guard let instant = value.pythonInteger else { throw .notInteger(claim: claim) }
        return instant
    }

    /// Whether the token is good at `now` (ms since 1970) for a route that wants `kind`. No leeway; exp expires at exp <= now.
    func check(now: Int64, wanted: TokenKind) throws(TokenFault) {
        if let issuedAt, Self.isAfter(issuedAt, now) { throw .immature(claim: "iat") }
        if let notBefore, Self.isAfter(notBefore, now) { throw .immature(claim: "nbf") }
        if isExpired(now: now) { throw .expired }
        guard kind == wanted else { throw wanted == .access ? .refreshToken : .accessToken }
    }

    func isExpired(now: Int64) -> Bool {
        guard let expiresAt else { return false }
        return !Self.isAfter(expiresAt, now)
    }

    /// Whether a second lies after an instant in milliseconds.
    private static func isAfter(_ second: Int64, _ now: Int64) -> Bool {
        let (milliseconds, overflow) = second.multipliedReportingOverflow(by: 1000)
        return overflow ? second > 0 : milliseconds > now
    }
}
