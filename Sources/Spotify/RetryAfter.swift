import CLibCurl
import CSystem

/// The `Retry-After` header: seconds, or a date (RFC 9110, section 10.2.3).
enum RetryAfter {
    /// Longer waits are taken as this one: nothing that Spotify has been seen to say comes near.
    static let longest: Int64 = 366 * 86_400

    /// The wait that a header line names; nil when the line is another header or names no time. A date is a wait from `now`
    /// (milliseconds since 1970); one that has passed is zero.
    static func read(line: String, now: Int64 = csys_wall_ms()) -> Duration? {
        guard let colon = line.firstIndex(of: ":"), line[..<colon].lowercased() == "retry-after" else { return nil }
        let value = line[line.index(after: colon)...].filter { $0 != "\r" && $0 != "\n" && $0 != "\r\n" }
        let text = String(value.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
        return seconds(text) ?? date(text, now: now)
    }

    /// Digits, and a fraction that rounds up.
    private static func seconds(_ text: String) -> Duration? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = parts.first, !whole.isEmpty, parts.allSatisfy({ $0.utf8.allSatisfy { (48...57).contains($0) } }) else {
            return nil
        }
        let fraction: Int64 = parts.count == 2 && parts[1].contains { $0 != "0" } ? 1 : 0
        return .seconds(min(longest, Int64(whole).map { min($0, longest) + fraction } ?? longest))
    }

    private static func date(_ text: String, now: Int64) -> Duration? {
        let instant = Int64(curl_getdate(text, nil))
        guard instant >= 0 else { return nil }
        return .milliseconds(min(longest * 1000, max(0, min(instant, Int64.max / 1000) * 1000 - now)))
    }
}
