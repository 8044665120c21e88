/// Which row of which `cache.db` a record of `spotify` is.
public struct RecordNumber: Sendable, Hashable, Comparable {
    let row: Int64
    /// The file's own number: a row of a file that was replaced since says nothing.
    let epoch: Int64

    public static func < (one: Self, other: Self) -> Bool { one.row < other.row }
}
