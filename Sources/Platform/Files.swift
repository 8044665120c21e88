import CSystem
import Glibc

/// A system call that failed.
public struct SystemError: Error, Sendable, Equatable, CustomStringConvertible {
    public let call: String
    /// errno(3).
    public let code: CInt

    /// - Parameter code: as the call left it; read before anything else can change it.
    public init(_ call: String, code: CInt = errno) {
        self.call = call
        self.code = code
    }

    /// In the system's words: `No space left on device`.
    public var reason: String { String(cString: strerror(code)) }
    public var description: String { "\(call): \(reason)" }
}

/// Which file a path names: equal for two paths or two looks that mean the same one.
public struct FileIdentity: Sendable, Hashable {
    public let device: UInt64
    public let inode: UInt64

    public init(device: UInt64, inode: UInt64) {
        self.device = device
        self.inode = inode
    }

    /// nil where there is no such file, or it cannot be seen. Opens nothing, so SQLite's locks stay (sqlite.org/howtocorrupt.html, 2.2).
    public init?(path: String) {
        guard let stamp = FileStamp(path: path) else { return nil }
        self = stamp.identity
    }
}

/// What stat(2) says of a file, to see that it was changed or replaced.
public struct FileStamp: Sendable, Hashable {
    public let identity: FileIdentity
    public let size: Int64
    /// Nanoseconds since 1970.
    public let modifiedAt: Int64

    /// nil where there is no such file, or it cannot be seen.
    public init?(path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        identity = FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
        size = Int64(status.st_size)
        modifiedAt = Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
    }

    /// Whether what is read after this stamp was taken may be remembered under it.
    ///
    /// The kernel stamps a write with the time of its last tick, so two writes close together can leave the same stamp. A write after
    /// `now` stamps at least `now` less one tick (10 ms at most), hence differs from a stamp that is a second old.
    public func isSettled(now: WallTime) -> Bool { now - WallTime(milliseconds: modifiedAt / 1_000_000) > .seconds(1) }
}

/// Small deeds on files.
public enum Files {
    /// What the file system of a path has left for users other than root, in bytes (statvfs(3)); nil where it cannot be told: some have
    /// no size.
    public static func freeBytes(at path: String) -> UInt64? {
        var space = statvfs()
        guard statvfs(path, &space) == 0, space.f_blocks > 0 else { return nil }
        return UInt64(space.f_bavail) * UInt64(space.f_frsize)
    }

    /// Whether less than 1 MiB is left, that is less than a single value may take.
    public static func isFull(at path: String) -> Bool { freeBytes(at: path).map { $0 < 1 << 20 } ?? false }

    /// A small file in one piece; nil where it cannot be read or is longer than `most` bytes.
    public static func read(_ path: String, atMost most: Int) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var content: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: min(most + 1, 16 * 1024))
        while true {
            let count = Glibc.read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0, content.count + count <= most else { return nil }
            if count == 0 { return content }
            content += piece[..<count]
        }
    }

    /// Makes an empty file that only this user may open, from its first byte on. False where there is a file already, which is left as it is
    /// and not opened: SQLite may have it open.
    @discardableResult
    public static func createPrivate(_ path: String) throws(SystemError) -> Bool {
        let descriptor = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            if errno == EEXIST { return false }
            throw SystemError("open")
        }
        close(descriptor)
        return true
    }

    /// Puts a file in the place of what the path names, if anything: whole, on the disk, and for this user alone. Two who do so at once need a
    /// lock.
    public static func replace(_ path: String, with bytes: [UInt8]) throws(SystemError) {
        let draft = "\(path).new"
        unlink(draft)
        let descriptor = open(draft, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SystemError("open") }
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress.map { $0 + done }, bytes.count - done) }
            if count > 0 { done += count } else if count == 0 || errno != EINTR { break }
        }
        let code = done < bytes.count && errno != 0 ? errno : ENOSPC
        let isSafe = done == bytes.count && fsync(descriptor) == 0
        close(descriptor)
        guard isSafe else {
            unlink(draft)
            throw SystemError("write", code: code)
        }
        guard rename(draft, path) == 0 else { throw SystemError("rename") }
        if let cut = path.lastIndex(of: "/") { try? synchronize(String(path[..<cut])) }
    }

    /// Makes a folder, and those above it that are missing; one that is there is left as it is.
    public static func makeFolder(_ path: String, mode: mode_t) throws(SystemError) {
        let cut = path.drop { $0 == "/" }.lastIndex(of: "/") ?? path.startIndex
        guard mkdir(path, mode) != 0 else { return }
        if errno == ENOENT, cut > path.startIndex {
            try makeFolder(String(path[..<cut]), mode: mode)
            guard mkdir(path, mode) != 0 else { return }
        }
        let code = errno
        var status = stat()
        guard code == EEXIST, stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { throw SystemError("mkdir", code: code) }
    }

    /// The names in a folder, in no order; none where it cannot be read.
    public static func names(in folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// Removes a folder and the files in it; one with a folder in it stays.
    public static func removeFolder(_ path: String) throws(SystemError) {
        for name in names(in: path) { guard unlink("\(path)/\(name)") == 0 || errno == ENOENT else { throw SystemError("unlink") } }
        guard rmdir(path) == 0 else { throw SystemError("rmdir") }
    }

    /// Waits until a file's content, or the names in a folder, are on the disk (fsync(2)). Not for a database that may be open.
    public static func synchronize(_ path: String) throws(SystemError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemError("open") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw SystemError("fsync") }
    }
}

// MARK: Locks

/// A file that is there to be locked, byte by byte, and may hold a short note of who had the lock last.
///
/// Never a database: closing a second descriptor of that would drop SQLite's own locks (sqlite.org/howtocorrupt.html, 2.2).
public final class LockFile: Sendable {
    let descriptor: CInt

    /// Makes the file where there is none. Only who may write it can lock it.
    public convenience init(path: String, permissions: mode_t = 0o640) throws(SystemError) {
        try self.init(path: path, flags: O_CREAT, permissions)
    }

    /// Opens a file that somebody else has made.
    public convenience init(existing path: String) throws(SystemError) { try self.init(path: path, flags: 0, 0) }

    private init(path: String, flags: CInt, _ permissions: mode_t) throws(SystemError) {
        descriptor = open(path, O_RDWR | flags | O_CLOEXEC, permissions)
        guard descriptor >= 0 else { throw SystemError("open") }
    }

    deinit { close(descriptor) }

    /// Makes this the opening of what the path names by now, made where there is nothing. Locks that were held are gone.
    public func reopen(_ path: String, permissions: mode_t) throws(SystemError) {
        let fresh = open(path, O_RDWR | O_CREAT | O_CLOEXEC, permissions)
        guard fresh >= 0 else { throw SystemError("open") }
        defer { close(fresh) }
        // At no instant does the number name another file than one of the two.
        guard csys_replace_descriptor(fresh, descriptor) == 0 else { throw SystemError("dup3") }
    }

    /// Whether the path names the file that is open.
    public func isStill(at path: String) -> Bool {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return false }
        return FileIdentity(path: path) == FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }

    /// Replaces the beginning of the content, in one write(2): who dies leaves the one or the other.
    public func overwrite(_ bytes: [UInt8]) throws(SystemError) {
        while true {
            let count = pwrite(descriptor, bytes, bytes.count, 0)
            if count == bytes.count { return }
            guard count < 0, errno == EINTR else { throw SystemError("pwrite", code: count < 0 ? errno : ENOSPC) }
        }
    }

    /// The lock on one byte, which need not be within the file.
    public func lock(_ byte: Int64) -> FileLock { FileLock(file: self, byte: byte) }
}

/// An exclusive lock on one byte of a file, over all processes of the host.
///
/// It is an open file description lock (fcntl(2), F_OFD_SETLK): it excludes every other opening of the file, in this process or another,
/// and goes with the process that dies. Classic POSIX locks would go with any descriptor of the file that the process closes, and
/// flock(2) has one lock for the whole file. Threads that share one opening do not exclude each other: they need a mutex beside it.
public struct FileLock: Sendable {
    private let file: LockFile
    private let byte: Int64

    fileprivate init(file: LockFile, byte: Int64) {
        self.file = file
        self.byte = byte
    }

    /// Takes the lock when nobody has it. Taking it twice is taking it once.
    public func tryLock() -> Bool { csys_lock_byte(file.descriptor, byte, 1) == 0 }

    /// Takes the lock beside others who take it so; nobody has it exclusively then.
    public func tryShared() -> Bool { csys_lock_byte(file.descriptor, byte, 2) == 0 }

    public func unlock() { _ = csys_lock_byte(file.descriptor, byte, 0) }

    /// Takes the lock, waiting at most so long. It looks often at first and then once a millisecond: the locks here are held shortly.
    public func lock(within limit: Duration) -> Bool {
        let end = SystemClock().monotonic + limit
        var pause: UInt32 = 20
        while !tryLock() {
            guard SystemClock().monotonic < end else { return false }
            usleep(pause)
            pause = min(pause * 2, 1000)
        }
        return true
    }

    /// Takes the lock, however long that takes; the kernel wakes one who waits. False where locks cannot be had at all.
    public func lock() -> Bool {
        let waiting: CInt = 38  // F_OFD_SETLKW, which glibc shows under _GNU_SOURCE only
        var range = flock()
        range.l_type = Int16(F_WRLCK)
        range.l_whence = Int16(SEEK_SET)
        range.l_start = off_t(byte)
        range.l_len = 1
        while fcntl(file.descriptor, waiting, &range) != 0 {
            guard errno == EINTR else { return false }
        }
        return true
    }

    /// Whether another opening of the file has the lock. To be asked by who has not.
    public var isHeldElsewhere: Bool {
        guard tryLock() else { return true }
        unlock()
        return false
    }
}
