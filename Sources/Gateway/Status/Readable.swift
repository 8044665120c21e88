import Foundation

/// Numbers as people read them.
enum Readable {
    /// `12,345`.
    static func count(_ number: UInt64) -> String {
        let digits = Array("\(number)")
        return String(
            digits.enumerated().flatMap { place, digit in
                place > 0 && (digits.count - place) % 3 == 0 ? [",", digit] : [digit]
            })
    }

    /// `1.4 GB`, in steps of 1000.
    static func bytes(_ bytes: Int64) -> String {
        var value = Double(bytes)
        for unit in ["B", "kB", "MB"] {
            if value < 1000 { return "\(unit == "B" ? "\(bytes)" : decimal(value)) \(unit)" }
            value /= 1000
        }
        return "\(decimal(value)) GB"
    }

    /// `3 d 4 h`: the two largest units.
    static func length(_ seconds: Int64) -> String {
        let parts = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")]
        let shown = parts.drop { $0.0 == 0 }.prefix(2).filter { $0.0 > 0 }
        return shown.isEmpty ? "0 s" : shown.map { "\($0.0) \($0.1)" }.joined(separator: " ")
    }

    /// `now`, or in how long.
    static func wait(_ seconds: Double) -> String { seconds <= 0 ? "now" : "in \(length(max(1, Int64(seconds.rounded(.up)))))" }

    static func percent(_ share: Double?) -> String { share.map { "\(decimal($0 * 100)) %" } ?? "–" }
    static func rate(_ rate: Double) -> String { rate > 0 && rate < 0.1 ? "under 0.1" : decimal(rate) }

    /// `2026-11-22 19:33:00 UTC`.
    static func instant(_ wall: Int64) -> String {
        let text = Date(timeIntervalSince1970: Double(wall / 1000)).formatted(.iso8601)
        return text.replacing("T", with: " ").replacing("Z", with: " UTC")
    }

    /// One decimal place below 100.
    private static func decimal(_ value: Double) -> String {
        guard value < 99.95 else { return count(UInt64(value.rounded())) }
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }
}
