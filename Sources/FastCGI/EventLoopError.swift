import Glibc

/// Why an event loop could not start.
public enum EventLoopError: Error, Equatable, CustomStringConvertible {
    case system(call: String, errno: CInt)
    /// libfcgi could not be initialised, or does not read the way this loop relies on.
    case library

    public var description: String {
        switch self {
        case .system(let call, let error): "\(call): \(String(cString: strerror(error)))"
        case .library: "libfcgi does not work as expected"
        }
    }
}
