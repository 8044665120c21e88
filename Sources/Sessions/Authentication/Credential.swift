import Glibc

/// The one token that counts in a request: the cookie before the Authorization header.
struct Credential: Equatable {
    enum Place: Sendable { case cookie, header }

    var text: [UInt8]
    var place: Place

    enum Search: Equatable {
        case found(Credential)
        case absent(message: String)
        case malformed(Refused)
    }

    static func search(_ caller: Caller, for kind: TokenKind, duplicates: DuplicateCookies) -> Search {
        let name = kind == .access ? CookieHeader.access : CookieHeader.refresh
        let cookies = caller.cookies.isEmpty ? [] : CookieHeader.values(of: name, in: caller.cookies)
        if duplicates == .refused {
            if CookieHeader.mentions(of: name, in: caller.cookies) != min(cookies.count, 1) { return .malformed(.duplicateCookies) }
            // Else nginx would hand on the Authorization header's token, when it was the cookie's that was checked.
            if CookieHeader.handedOn(of: name, in: caller.cookies) != cookies.first ?? [] { return .malformed(.unclearCookie) }
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

/// What becomes of a request with more than one cookie of the name.
public enum DuplicateCookies: Sendable {
    /// As swingmusic does it.
    case firstCounts
    /// Where something behind us is to use what we checked: it might use another one.
    case refused
}

/// What an Authorization header holds for us: `Bearer <token>`, alone or as the only such item of a comma list.
///
/// Read as bytes: this is on the way of every request with a bearer token.
enum BearerText: Equatable {
    case absent
    /// Another scheme, or more than one `Bearer`.
    case otherScheme
    case malformed
    case token([UInt8])

    init(_ headers: [String]) {
        switch headers.count {
        case 0: self = .absent
        case 1: self = Self.read(Array(headers[0].utf8))
        // Several headers of a name are one list (RFC 9110, section 5.3).
        default: self = Self.read(Array(headers.joined(separator: ", ").utf8))
        }
    }

    private static func read(_ bytes: [UInt8]) -> BearerText {
        let text = trimmed(trimmed(bytes[...], isSpace), { $0 == comma })
        guard !text.isEmpty else { return .absent }
        var bearer: ArraySlice<UInt8>?
        // Nearly always one; to cut it costs more than all the rest.
        let items = isList(text) ? text.split(separator: comma, omittingEmptySubsequences: false) : [text]
        for item in items {
            let item = trimmed(item, isSpace)
            // An empty item between two commas is an error of swingmusic's library (500 there).
            guard !item.isEmpty else { return .malformed }
            guard item.prefix(while: { !isSpace($0) }).elementsEqual(scheme) else { continue }
            guard bearer == nil else { return .otherScheme }
            bearer = item
        }
        guard let bearer else { return .otherScheme }
        let token = trimmed(bearer.dropFirst(scheme.count), isSpace)
        return token.isEmpty || hasSpace(token) ? .malformed : .token(Array(token))
    }

    private static func isList(_ text: ArraySlice<UInt8>) -> Bool {
        text.withUnsafeBytes { bytes in bytes.baseAddress.map { memchr($0, CInt(comma), bytes.count) != nil } ?? false }
    }

    private static func hasSpace(_ text: ArraySlice<UInt8>) -> Bool {
        text.withUnsafeBufferPointer { bytes in bytes.contains { $0 <= 32 && isSpace($0) } }
    }

    private static let comma = UInt8(ascii: ",")
    private static let scheme = Array("Bearer".utf8)

    /// Python's white space within ASCII.
    private static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (9...13).contains(byte) || (28...31).contains(byte) }

    private static func trimmed(_ text: ArraySlice<UInt8>, _ isEdge: (UInt8) -> Bool) -> ArraySlice<UInt8> {
        var text = text
        while let first = text.first, isEdge(first) { text.removeFirst() }
        while let last = text.last, isEdge(last) { text.removeLast() }
        return text
    }
}
