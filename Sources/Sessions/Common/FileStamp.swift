import Glibc

/// What `stat` says of a file, to see that it was changed or replaced.
struct FileStamp: Sendable, Equatable {
    let device: UInt64
    let inode: UInt64
    let size: Int64
    /// Nanoseconds since 1970.
    let modifiedAt: Int64

    /// nil where there is no such file (or it cannot be seen).
    init?(path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        size = Int64(status.st_size)
        modifiedAt = Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
    }

    func isSameFile(as other: FileStamp) -> Bool { device == other.device && inode == other.inode }

    /// Whether what is read after this stamp was taken may be remembered under it.
    ///
    /// The kernel stamps a write with the time of its last tick, so two writes close together can leave the same stamp. A write
    /// after `now` stamps at least `now` less one tick (10 ms at most), hence differs from a stamp that is a second old.
    func isSettled(now: Int64) -> Bool { now - modifiedAt / 1_000_000 > 1000 }
}
