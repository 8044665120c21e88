@testable import Sessions

/// Cookie and Authorization headers, a line each. What is found is compared with what others who get the same bytes would find: nginx, and
/// readers that take the name in any case and the comma as a separator.
@Sendable func fuzzCookies(_ bytes: [UInt8]) {
    let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).prefix(8)
        .map { String(decoding: $0, as: UTF8.self) }
    var found: [[UInt8]] = []
    for line in lines { found += CookieHeader.values(of: CookieHeader.access, in: [line]) }
    expect(found == CookieHeader.values(of: CookieHeader.access, in: lines), "headers are read one after the other")
    let alone = CookieHeader.values(of: CookieHeader.refresh, in: lines)
    let padded = CookieHeader.values(of: CookieHeader.refresh, in: lines.map { "\($0);" })
    expect(alone == padded || lines.contains { $0.contains("\"") }, "a semicolon at the end says nothing")

    let caller = Caller(cookies: lines, authorization: lines)
    guard case .found(let credential) = Credential.search(caller, for: .access, duplicates: .refused) else { return }
    expect(!credential.text.isEmpty, "a credential has a text")
    let seen = lines.flatMap { byNginx($0) }
    if credential.place == .header {
        // A cookie of blanks alone is none; nginx hands on the blanks, which are nobody's token.
        expect(seen.allSatisfy { trimmed($0).isEmpty }, "nginx finds no cookie where none was checked")
        expect(!credential.text.contains { $0 == 32 || $0 == UInt8(ascii: ",") }, "a token is one word")
    } else {
        // Else the Authorization header's token would be handed on, when it was the cookie's that was checked.
        expect(seen.count == 1 && trimmed(seen[0]) == credential.text, "nginx hands on the cookie that was checked")
    }
}

/// As nginx finds a cookie (ngx_http_parse_multi_header_lines): the name in any case at the beginning, or behind a semicolon or comma and
/// spaces; then spaces, an equals sign and spaces; the value up to a semicolon.
private func byNginx(_ line: String) -> [[UInt8]] {
    let text = Array(line.utf8)
    let name = CookieHeader.access
    var values: [[UInt8]] = []
    var start = 0
    while start < text.count {
        if start + name.count < text.count, text[start..<(start + name.count)].elementsEqual(name, by: { lowered($0) == $1 }) {
            var rest = text[(start + name.count)...].drop { $0 == 32 }
            if rest.popFirst() == UInt8(ascii: "=") { values.append(Array(rest.drop { $0 == 32 }.prefix { $0 != UInt8(ascii: ";") })) }
        }
        guard let end = text[start...].firstIndex(where: { $0 == UInt8(ascii: ";") || $0 == UInt8(ascii: ",") }) else { break }
        start = text[(end + 1)...].firstIndex { $0 != 32 } ?? text.count
    }
    return values
}

private func lowered(_ byte: UInt8) -> UInt8 { (65...90).contains(byte) ? byte + 32 : byte }

private func trimmed(_ value: [UInt8]) -> [UInt8] {
    var value = value
    while value.last == 32 || value.last == 9 { value.removeLast() }
    return value
}
