/// Keys of records that were served and whose use is not noted in the database yet: each once, and no more than there is room for. What is
/// left out is forgotten: whoever asks for so much asks again.
struct PendingUses: Sendable {
    private var keys: Set<[UInt8]> = []

    static let most = 20_000

    var isEmpty: Bool { keys.isEmpty }
    var count: Int { keys.count }

    mutating func add(_ key: [UInt8]) { if keys.count < Self.most { keys.insert(key) } }
    mutating func add(_ others: PendingUses) {
        if keys.isEmpty { keys = others.keys } else { for key in others.keys { add(key) } }
    }

    /// Takes some of them away.
    mutating func take(_ most: Int) -> [[UInt8]] {
        var taken: [[UInt8]] = []
        while taken.count < most, let key = keys.popFirst() { taken.append(key) }
        return taken
    }
}
