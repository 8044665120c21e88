/// Counts within this process: what is left where the shared store cannot be written.
final class MemoryCountStore: CountStore {
    private let values = Locked<[String: [UInt8]]>([:])  // guards the counts
    private static let most = 10_000

    func change(_ key: String, lastingSeconds: Int64, _ change: ([UInt8]?) -> [UInt8]?) {
        values.withLock { values in
            guard let value = change(values[key]) else { return }
            // A crude bound: a flood from ever new addresses forgets the older ones.
            if values.count >= Self.most { values.removeAll() }
            values[key] = value
        }
    }

    func read(_ key: String) -> [UInt8]? { values.withLock { $0[key] } }
}
