/// How far a run of `warm` is.
struct WarmingStanding: Encodable {
    /// Different things that were named.
    var asked: Int
    /// Of these, in the database before.
    var already = 0
    /// Spotify would not give them, or not now.
    var failed = 0
    /// Still queued or to be queued.
    var left = 0
    var secondsLeft: Int64 = 0
    /// Wall-clock milliseconds, while Spotify has told us to wait.
    var cooldownEndsAt: Int64?

    init(asked: Int) { self.asked = asked }

    /// Settled, one way or the other.
    var settled: Int { asked - left }
    var fetched: Int { settled - already - failed }

    /// How far, in words.
    var text: String {
        var parts = ["\(settled) of \(asked)"]
        if failed > 0 { parts.append("\(failed) failed") }
        if left > 0 { parts.append("about \(Output.length(secondsLeft)) left") }
        if let cooldownEndsAt { parts.append("Spotify told us to wait until \(Output.time(cooldownEndsAt))") }
        return parts.joined(separator: ", ")
    }

    var summary: String {
        "\(fetched) fetched, \(already) there before, \(failed) failed"
            + (left > 0 ? ", \(left) still to come (about \(Output.length(secondsLeft)))" : "")
    }

    private enum CodingKeys: String, CodingKey { case asked, already, fetched, failed, left, secondsLeft }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(asked, forKey: .asked)
        try container.encode(already, forKey: .already)
        try container.encode(fetched, forKey: .fetched)
        try container.encode(failed, forKey: .failed)
        try container.encode(left, forKey: .left)
        try container.encode(secondsLeft, forKey: .secondsLeft)
    }
}
