import Glibc

/// Why an event loop could not start.
public enum EventLoopError: Error, Equatable, CustomStringConvertible {
    case system(call: String, errno: CInt)

    public var description: String {
        switch self {
        case .system(let call, let error): "\(call): \(String(cString: strerror(error)))"
        }
    }
}
