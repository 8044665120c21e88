/// Sliding renewal: a cookie that has less than a week left is renewed by any request that uses it.
enum Renewal {
    static let threshold: Int64 = 7 * 86_400

    /// - Parameter hasAuthorization: an Authorization header of any kind: then nothing is renewed.
    static func isDue(_ claims: TokenClaims, place: Credential.Place, hasAuthorization: Bool, now: Int64) -> Bool {
        guard place == .cookie, !hasAuthorization, let expiresAt = claims.expiresAt else { return false }
        return expiresAt - now / 1000 < threshold
    }
}

/// Renewals made a moment ago, so that a page that asks for fifty images at once gets one new token, not fifty.
final class RenewedTokens: Sendable {
    private struct Renewed {
        var token: FreshToken
        var madeAt: Int64
    }

    private let renewed = Locked<[TokenHash: Renewed]>([:])  // guards the renewals by the hash of the token they replace
    private static let lifetime: Int64 = 60_000
    private static let most = 1000

    func find(for old: TokenHash, now: Int64) -> FreshToken? {
        renewed.withLock { renewed in
            guard let found = renewed[old], now >= found.madeAt, now - found.madeAt < Self.lifetime else { return nil }
            return found.token
        }
    }

    func keep(_ token: FreshToken, for old: TokenHash, now: Int64) {
        renewed.withLock { renewed in
            if renewed.count >= Self.most { renewed = renewed.filter { now - $0.value.madeAt < Self.lifetime } }
            if renewed.count < Self.most { renewed[old] = Renewed(token: token, madeAt: now) }
        }
    }
}

/// The values of `Set-Cookie` as swingmusic writes them.
enum SetCookie {
    static let loginAge: Int64 = 2_592_000
    /// A renewed cookie outlives its token.
    static let renewalAge: Int64 = 31_540_000

    static func access(_ token: String, maxAge: Int64, now: Int64) -> String {
        "access_token_cookie=\(token); Expires=\(HTTPDate.text(second: now / 1000 + maxAge)); Max-Age=\(maxAge); HttpOnly; Path=/"
    }

    static let cleared = "access_token_cookie=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/"
}

/// The preferred form of a date in HTTP (RFC 9110, section 5.6.7).
enum HTTPDate {
    static func text(second: Int64) -> String {
        let days = Int((second >= 0 ? second : second - 86_399) / 86_400)
        let rest = Int(second) - days * 86_400
        let (year, month, day) = civil(days)
        let time = [rest / 3600, rest / 60 % 60, rest % 60].map { two($0) }.joined(separator: ":")
        let weekday = weekdays[((days + 4) % 7 + 7) % 7]
        return "\(weekday), \(two(day)) \(months[month - 1]) \(year) \(time) GMT"
    }

    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    private static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

    /// Year, month and day of a day counted from 1970, by eras of 400 years that begin in March (howardhinnant.github.io/date_algorithms.html).
    private static func civil(_ days: Int) -> (Int, Int, Int) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    }
}
