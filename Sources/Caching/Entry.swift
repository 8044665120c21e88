/// One value of a cache, with the number that orders it among all writes.
public struct Entry: Sendable, Equatable {
    public var value: [UInt8]
    /// Greater than 0; grows with every write in one `cache.db`, also after a delete.
    public var version: Int64
    /// Wall clock, milliseconds since 1970.
    public var storedAt: Int64
    /// Wall clock, milliseconds since 1970; for `spotify` when the record is due. `.max`: never.
    public var expiresAt: Int64

    public init(value: [UInt8], version: Int64, storedAt: Int64, expiresAt: Int64) {
        self.value = value
        self.version = version
        self.storedAt = storedAt
        self.expiresAt = expiresAt
    }

    var seal: Seal { Seal(version: version, storedAt: storedAt, expiresAt: expiresAt) }
}

/// An entry and the tier that answered.
public struct Found: Sendable, Equatable {
    public var entry: Entry
    public var tier: Tier

    public init(entry: Entry, tier: Tier) {
        self.entry = entry
        self.tier = tier
    }
}

/// What identifies a write without its bytes: a copy is the row's when their seals are equal.
struct Seal: Sendable, Equatable {
    var version: Int64
    var storedAt: Int64
    var expiresAt: Int64
}
