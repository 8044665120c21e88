import Crypto
import JSON

/// A token that was read and whose signature is good.
struct Token: Sendable {
    let claims: TokenClaims
    /// Of header and payload, which the signature covers. The signature itself is left out: more than one text can decode to
    /// the same signature, and a token must not escape its revocation by another spelling.
    let hash: TokenHash

    /// The longest text that is looked at; swingmusic's tokens have some 450 bytes.
    static let longest = 8 * 1024
}

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
    /// - Parameter isKnown: it was entered here, so it is not of the future, whatever the clock says.
    func check(now: Int64, wanted: TokenKind, isKnown: Bool = false) throws(TokenFault) {
        if !isKnown, let claim = immatureClaim(now: now) { throw .immature(claim: claim) }
        if isExpired(now: now) { throw .expired }
        guard kind == wanted else { throw wanted == .access ? .refreshToken : .accessToken }
    }

    /// The claim that lies in the future; nil where none does.
    func immatureClaim(now: Int64) -> String? {
        if let issuedAt, Self.isAfter(issuedAt, now) { return "iat" }
        if let notBefore, Self.isAfter(notBefore, now) { return "nbf" }
        return nil
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

/// What a token is good for. Everything that does not say `refresh` is good for normal routes.
enum TokenKind: Int, Sendable {
    case access = 0
    case refresh = 1

    var name: String { self == .refresh ? "refresh" : "access" }
}

/// Whom a token's `sub.id` names, as swingmusic's database would compare it.
enum SubjectID: Sendable, Equatable {
    case user(Int64)
    /// A value that no row has: null, a fraction, text that is no number.
    case nobody

    /// nil where swingmusic answers 500: `sub` is no object, has no id, or the id is a list or an object.
    init?(subject: JSONValue) {
        guard let id = subject["id"] else { return nil }
        switch id {
        case .array, .object: return nil
        case .null: self = .nobody
        case .bool(let value): self = .user(value ? 1 : 0)
        case .number(let text): self = Self.integral(text)
        // A text is compared with the integer column under INTEGER affinity (sqlite.org/datatype3.html, section 4.2).
        case .string(let text): self = Self.integral(Self.trimmed(text))
        }
    }

    private static func integral(_ text: String) -> SubjectID {
        if let id = Int64(text) { return .user(id) }
        guard let value = Double(text), let id = Int64(exactly: value) else { return .nobody }
        return .user(id)
    }

    private static func trimmed(_ text: String) -> String {
        var bytes = Substring(text).utf8
        while let first = bytes.first, first == 32 || (9...13).contains(first) { bytes.removeFirst() }
        while let last = bytes.last, last == 32 || (9...13).contains(last) { bytes.removeLast() }
        return String(Substring(bytes))
    }
}

/// A SHA-256 of a text, four words so that it hashes and compares without touching the heap.
struct TokenHash: Sendable, Hashable {
    private let words: (UInt64, UInt64, UInt64, UInt64)

    /// That of a token's text whose signature cannot be verified. Its payload has an identifier of 122 random bits, which only those know who have
    /// had the token.
    init(ofUnverified text: [UInt8]) {
        self.init(of: text[..<(text.lastIndex(of: UInt8(ascii: ".")) ?? text.endIndex)])
    }

    init(of text: ArraySlice<UInt8>) {
        let digest = text.withUnsafeBufferPointer { buffer in
            var hash = SHA256()
            hash.update(bufferPointer: UnsafeRawBufferPointer(buffer))
            return hash.finalize()
        }
        words = digest.withUnsafeBytes { raw in
            (
                raw.loadUnaligned(fromByteOffset: 0, as: UInt64.self), raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
                raw.loadUnaligned(fromByteOffset: 16, as: UInt64.self), raw.loadUnaligned(fromByteOffset: 24, as: UInt64.self)
            )
        }
    }

    /// The 32 bytes, as they are stored.
    var bytes: [UInt8] { withUnsafeBytes(of: words) { Array($0) } }

    static func == (left: Self, right: Self) -> Bool { left.words == right.words }

    func hash(into hasher: inout Hasher) { hasher.combine(words.0) }

    /// Which of `count` shards it belongs to.
    func shard(of count: Int) -> Int { Int(truncatingIfNeeded: words.1 % UInt64(count)) }
}
