import Platform

/// Which lookups may share one call, and how many: those of a family, whose keys are `family/id`, or `family@market/id` with one market.
public struct Batches: Sendable {
    /// The most keys of a family that one call may ask for, by family.
    let sizes: [String: Int]
    /// A fact that the file has to know, and its value, or no lookups share a call.
    let condition: (fact: String, value: String)

    public init(sizes: [String: Int], where condition: (fact: String, value: String)) {
        self.sizes = sizes
        self.condition = condition
    }

    /// Where a key belongs; nil where it is asked for alone whatever comes.
    func line(of key: String) -> Line? {
        let parts = key.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 2, let size = sizes[Self.family(parts[0])] else { return nil }
        return Line(prefix: parts[0] + "/", family: Self.family(parts[0]), size: size)
    }

    private static func family(_ name: some StringProtocol) -> String { String(name.prefix { $0 != "@" }) }

    /// Keys that may share a call.
    struct Line: Hashable {
        /// With the slash.
        let prefix: String
        let family: String
        let size: Int
    }

    static let closed = "batches-closed/"
    /// Stands before a lookup's key: how many may share its next call.
    static let together = "together/"
    static let memory = Duration.seconds(3600)
    /// After so many attempts a lookup is asked for alone: it may be what spoils the others' call.
    static let mostAttempts = 2
}
