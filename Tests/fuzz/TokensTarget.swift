import JSON
import Platform

@testable import Sessions

private let key = SigningKey(serverID: "a key of the fuzzer's")

/// Tokens: as they come; and, since no fuzzer guesses a signature, around a header and a payload of the input's that are signed here.
@Sendable func fuzzTokens(_ bytes: [UInt8]) {
    guard let key else { return }
    var choices = Choices(bytes)
    switch choices.next() % 4 {
    case 0: expect((try? TokenReader.read(Array(choices.rest), key: key)) == nil, "nobody signs without the key")
    case 1: signed(header: Array(#"{"alg":"HS256","typ":"JWT"}"#.utf8), payload: Array(choices.rest), key)
    case 2: signed(header: Array(choices.rest), payload: Array(#"{"sub":{"id":1},"iat":1}"#.utf8), key)
    default: codings(Array(choices.rest))
    }
}

private func signed(header: [UInt8], payload: [UInt8], _ key: SigningKey) {
    let input = Base64URL.encode(header) + [UInt8(ascii: ".")] + Base64URL.encode(payload)
    let text = input + [UInt8(ascii: ".")] + Base64URL.encode(key.sign(input))
    guard let token = try? TokenReader.read(text, key: key) else { return }
    guard let value = try? JSONValue(reading: payload, .python), let subject = value["sub"] else {
        return expect(false, "what is a token has a payload in JSON and a subject")
    }
    expect(token.hash.bytes == TokenHash(of: input[...]).bytes, "the hash is of what was signed")
    expect(token.claims.subject == subject.withoutDuplicates, "the claims are the payload's")
    expect(SubjectID(subject: token.claims.subject) == token.claims.userID, "whom it names does not depend on duplicates")
    for now in [0, 1000, 1_700_000_000_000, Int64.max, .min] {
        for kind in [TokenKind.access, .refresh] { checked(token.claims, now: now, kind) }
    }
    altered(text, key)
    remade(token, key)
}

/// Good at a time means: not before what it says, not after what it says, and of the kind that is wanted.
private func checked(_ claims: TokenClaims, now: Int64, _ kind: TokenKind) {
    let isGood = (try? claims.check(now: now, wanted: kind)) != nil
    guard isGood else { return }
    expect(claims.kind == kind && claims.immatureClaim(now: now) == nil && !claims.isExpired(now: now), "it is good in every part")
    if let expiresAt = claims.expiresAt { expect(Double(expiresAt) * 1000 >= Double(now), "it has not expired") }
    for first in [claims.issuedAt, claims.notBefore] {
        if let first { expect(Double(first) * 1000 <= Double(now), "its time has come") }
    }
}

/// No change of a letter before the signature, and none that alters what it decodes to, leaves it good.
private func altered(_ text: [UInt8], _ key: SigningKey) {
    for place in [0, text.count / 3, text.count / 2, text.count - 2] {
        var other = text
        other[place] = other[place] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
        expect((try? TokenReader.read(other, key: key)) == nil, "a changed token is none")
    }
    expect((try? TokenReader.read(text.dropLast(), key: key)) == nil, "a token that was cut is none")
}

/// A token made for that subject is read as it was made, and one made of what was read is the same byte for byte.
private func remade(_ token: Token, _ key: SigningKey) {
    let issuer = TokenIssuer(key: key)
    func make(_ subject: JSONValue) -> FreshToken { issuer.make(.refresh, subject: subject, second: 1_700_000_000, identifier: "i") }
    let made = make(token.claims.subject)
    guard let read = try? TokenReader.read(Array(made.text.utf8), key: key) else {
        // Too long with what is added; or a number that Python writes as Infinity, which only Python reads.
        return expect(made.text.utf8.count > Token.longest || made.text.utf8.count > 600 || hasInfinity(token.claims.subject), "it is read")
    }
    expect(make(read.claims.subject).text == made.text, "made of what was read it is the same")
    expect(read.claims.userID == token.claims.userID && read.claims.kind == .refresh, "it is whose it was")
    expect(read.hash.bytes == made.hash.bytes, "it is known again")
}

private func hasInfinity(_ value: JSONValue) -> Bool {
    String(decoding: JSONWriter.token(value), as: UTF8.self).contains("Infinity")
}

private func codings(_ bytes: [UInt8]) {
    let letters = Base64URL.encode(bytes)
    expect(Base64URL.decode(letters) == bytes, "base64url reads back")
    if let decoded = Base64URL.decode(bytes) { expect(Base64URL.encode(decoded) == bytes, "only one text stands for those bytes") }
    let form = FormBody(bytes: bytes, contentType: "application/json")
    _ = (form.fields(of: "LoginBody"), ProfileForm.read(form), DeletionForm.read(form), SwingmusicSettings(text: bytes))
    _ = FormBody(bytes: [], contentType: String(decoding: bytes, as: UTF8.self)).charset
}
