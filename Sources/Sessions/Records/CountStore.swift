/// Where failures are counted: a small value under a key, changed by one process at a time.
protocol CountStore: Sendable {
    /// Reads, changes and writes in one transaction. nil from `change`: nothing is written.
    func change(_ key: String, lastingSeconds: Int64, _ change: (_ stored: [UInt8]?) -> [UInt8]?) throws
    func read(_ key: String) throws -> [UInt8]?
}
