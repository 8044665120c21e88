/// What the files that hold users looked like when all users were compared: while they look the same, nothing needs to be compared again.
struct SweptFiles: Sendable {
    private let stamps: [FileStamp]
    /// Whether a write since would have left other stamps.
    private let isSettled: Bool
    /// Milliseconds since 1970.
    private let lookedAt: Int64

    /// For so long, in ms, stamps are believed: not every file system keeps them.
    private static let trust: Int64 = 60_000

    /// nil where a file is missing. To be taken before the files are read.
    init?(ledger: Ledger, directory: UserDirectory, now: Int64) {
        guard let sessions = try? ledger.stamp(), let users = FileStamp(path: directory.path) else { return nil }
        stamps = [sessions, users] + [FileStamp(path: directory.path + "-wal")].compactMap(\.self)
        isSettled = stamps.allSatisfy { $0.isSettled(now: now) }
        lookedAt = now
    }

    /// Whether what was read at this look is what would be read at `other`.
    func stillHolds(_ other: SweptFiles) -> Bool {
        isSettled && stamps == other.stamps && (0..<Self.trust).contains(other.lookedAt - lookedAt)
    }
}
