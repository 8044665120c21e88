/// An access and a refresh token that belong together.
struct TokenPair: Sendable {
    let access: FreshToken
    let refresh: FreshToken

    static func make(subject: JSONValue, mint: TokenMint, now: Int64) -> TokenPair {
        TokenPair(
            access: mint.make(.access, subject: subject, second: now / 1000, identifier: RandomName.uuid()),
            refresh: mint.make(.refresh, subject: subject, second: now / 1000, identifier: RandomName.uuid()))
    }

    var all: [FreshToken] { [access, refresh] }

    func answer(name: String, cookies: [String] = []) -> Answer {
        .json(
            .object([
                JSONMember("accesstoken", .string(access.text)), JSONMember("maxage", .integer(TokenMint.lifetime)),
                JSONMember("msg", .string("Logged in as \(name)")), JSONMember("refreshtoken", .string(refresh.text)),
            ]), cookies: cookies)
    }
}
