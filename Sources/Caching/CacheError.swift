/// Why a cache could not do what it was asked to. DragonflyDB is never a reason: without it the caches are only slower.
public enum CacheError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The disk is full, the folder read-only, or another process held the write lock for too long.
    case cannotWrite(String)
    case cannotRead(String)
    /// A key over 512 bytes or a value over 1 MiB.
    case tooLarge
    /// `onlyIfVersion` named another version than the row's (nil: there is no row).
    case versionChanged(current: Int64?)
    /// A newer release has written this `cache.db`.
    case newerSchema(found: Int, known: Int)

    public var description: String {
        switch self {
        case .cannotWrite(let reason): "the cache cannot be written: \(reason)"
        case .cannotRead(let reason): "the cache cannot be read: \(reason)"
        case .tooLarge: "a key has at most \(Limits.keyBytes) bytes and a value at most \(Limits.valueBytes)"
        case .versionChanged(let current): "the entry has changed (now \(current.map(String.init) ?? "absent"))"
        case .newerSchema(let found, let known):
            "cache.db has schema \(found), this release knows \(known): a newer release has written it"
        }
    }
}

/// What a cache takes.
public enum Limits {
    public static let keyBytes = 512
    /// What Spotify answers may have 8 MiB, and a playlist is kept under two names.
    public static let valueBytes = 17 << 20

    static func check(key: [UInt8], value: [UInt8] = []) throws(CacheError) {
        guard key.count <= keyBytes, value.count <= valueBytes else { throw .tooLarge }
    }
}
