import Glibc

/// What the file system says of a folder, for the user who asks.
struct FolderState {
    enum Kind { case missing, notAFolder, folder }

    let path: String
    let kind: Kind
    let mode: mode_t
    /// It may be read, written and searched.
    let isUsable: Bool
    /// For users other than root; nil when it cannot be told.
    let freeBytes: UInt64?

    init(_ path: String) {
        self.path = path
        var status = stat()
        let isThere = stat(path, &status) == 0
        // ENOTDIR: something on the way to it is a file.
        kind = isThere ? (status.st_mode & S_IFMT == S_IFDIR ? .folder : .notAFolder) : (errno == ENOTDIR ? .notAFolder : .missing)
        mode = isThere ? status.st_mode & 0o7777 : 0
        isUsable = isThere && access(path, R_OK | W_OK | X_OK) == 0
        var space = statvfs()
        freeBytes = statvfs(path, &space) == 0 ? UInt64(space.f_bavail) * UInt64(space.f_frsize) : nil
    }
}
