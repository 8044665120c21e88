import CSystem
import Glibc

/// How a Unix socket comes to listen at a path (unix(7)).
struct UnixBinding {
    let path: String
    private var address: ListenAddress { .unix(path: path) }

    /// The descriptor of a socket that listens.
    func listen(mode: mode_t, group: String?, backlog: CInt) throws(ListenError) -> CInt {
        let name = try socketName()
        let groupID = try group.map { (name) throws(ListenError) in try Self.groupID(of: name) }
        try removeStale(name)
        let descriptor = socket(AF_UNIX, csys_stream_socket, 0)
        guard descriptor >= 0 else { throw failure("socket") }
        do throws(ListenError) {
            try check("bind", connectOrBind(descriptor, name, Glibc.bind))
            // Nobody can connect before listen(), so the order closes the window of looser permissions.
            if let groupID { try check("chown", chown(path, uid_t.max, groupID)) }
            try check("chmod", chmod(path, mode))
            try check("listen", Glibc.listen(descriptor, backlog))
        } catch {
            _ = close(descriptor)
            throw error
        }
        return descriptor
    }

    private func socketName() throws(ListenError) -> sockaddr_un {
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: name.sun_path) else { throw .pathTooLong(path) }
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: bytes) }
        return name
    }

    /// Removes a socket file whose owner is gone: connecting to it is refused.
    private func removeStale(_ name: sockaddr_un) throws(ListenError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw .notASocket(path) }
        let probe = socket(AF_UNIX, csys_stream_socket | csys_nonblocking_socket, 0)
        guard probe >= 0 else { throw failure("socket") }
        defer { _ = close(probe) }
        // EAGAIN is a full backlog: somebody listens.
        guard connectOrBind(probe, name, connect) != 0, errno == ECONNREFUSED else { throw .inUse(address) }
        guard unlink(path) == 0 || errno == ENOENT else { throw failure("unlink") }
    }

    private func connectOrBind(
        _ descriptor: CInt, _ name: sockaddr_un, _ call: (CInt, UnsafePointer<sockaddr>, socklen_t) -> CInt
    ) -> CInt {
        withUnsafePointer(to: name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                call(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    private static func groupID(of name: String) throws(ListenError) -> gid_t {
        var entry = group()
        var found: UnsafeMutablePointer<group>?
        var buffer = [CChar](repeating: 0, count: 65536)
        if getgrnam_r(name, &entry, &buffer, buffer.count, &found) == 0, found != nil { return entry.gr_gid }
        guard let number = gid_t(name) else { throw .unknownGroup(name) }
        return number
    }

    private func check(_ call: String, _ result: CInt) throws(ListenError) {
        if result != 0 { throw failure(call) }
    }

    private func failure(_ call: String) -> ListenError { .system(call: call, on: address, errno: errno) }
}
