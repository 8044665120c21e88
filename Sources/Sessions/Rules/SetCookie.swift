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
