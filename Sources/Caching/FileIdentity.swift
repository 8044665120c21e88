import Glibc

/// Which file a path names now: two openings with equal identities have the same file.
struct FileIdentity: Sendable, Equatable {
    var device: UInt64
    var inode: UInt64
    var size: Int64

    static func == (one: Self, other: Self) -> Bool { one.device == other.device && one.inode == other.inode }

    /// nil when there is no such file. Opens nothing, so SQLite's locks stay.
    static func of(_ path: String) -> FileIdentity? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: Int64(status.st_size))
    }
}
