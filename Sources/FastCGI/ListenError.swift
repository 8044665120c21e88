import Glibc

/// Why a listening socket could not be had.
public enum ListenError: Error, Equatable, CustomStringConvertible {
    /// `sun_path` holds 107 bytes and a NUL (unix(7)).
    case pathTooLong(String)
    /// Something that is no socket is at the path; it is left alone.
    case notASocket(String)
    /// Somebody answers there.
    case inUse(ListenAddress)
    case unknownHost(String, reason: String)
    case unknownGroup(String)
    /// A system call failed with this `errno`.
    case system(call: String, on: ListenAddress, errno: CInt)

    public var description: String {
        switch self {
        case .pathTooLong(let path): "socket path is longer than 107 bytes: \(path)"
        case .notASocket(let path): "\(path) exists and is not a socket"
        case .inUse(let address): "\(address) is in use by another process"
        case .unknownHost(let host, let reason): "cannot resolve \(host): \(reason)"
        case .unknownGroup(let group): "no such group: \(group)"
        case .system(let call, let address, let error): "\(call) for \(address): \(String(cString: strerror(error)))"
        }
    }
}
