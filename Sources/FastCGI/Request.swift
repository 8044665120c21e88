import CSystem
import Glibc

/// One request's parameters and body. The parameters are borrowed from the thread that received them: valid only while the handler runs.
public struct Request {
    /// REQUEST_METHOD; `.other("")` when it is missing.
    public let method: Method
    public let body: Body
    /// It came by TCP, not over a Unix socket: from another host, perhaps.
    public internal(set) var cameByTCP = false

    private let environment: Environment
    private let owner: OwnedEnvironment?

    init(environment: Environment, body: Body) {
        self.init(environment: environment, owner: nil, body: body)
    }

    /// A request without a socket, for testing a router. The parameters keep their order; one name may come twice.
    public init(testing parameters: [(String, String)], body: Body = .none, cameByTCP: Bool = false) {
        let owner = OwnedEnvironment(parameters)
        self.init(environment: owner.environment, owner: owner, body: body)
        self.cameByTCP = cameByTCP
    }

    private init(environment: Environment, owner: OwnedEnvironment?, body: Body) {
        self.environment = environment
        self.owner = owner
        self.body = body
        method = environment.value("REQUEST_METHOD").map(Method.init) ?? .other("")
    }

    /// The first parameter of that name, invalid UTF-8 repaired; nil when there is none.
    public func parameter(_ name: StaticString) -> String? {
        environment.value(name).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The first parameter of that name as bytes, without a copy; nil when there is none. They must not leave the closure.
    @inlinable  // else it is generic code at run time, several times on every hit
    public func withParameter<R>(_ name: StaticString, _ read: (UnsafeBufferPointer<UInt8>) throws -> R) rethrows -> R? {
        guard let bytes = bytes(of: name) else { return nil }
        return try read(bytes)
    }

    @usableFromInline
    func bytes(of name: StaticString) -> UnsafeBufferPointer<UInt8>? { environment.value(name) }

    /// Every parameter of that name in order: two `Cookie` lines of an HTTP request arrive as two HTTP_COOKIE.
    public func parameters(_ name: StaticString) -> [String] {
        environment.values(name)
    }

    /// The parameters for later, in a copy that is looked into only when they are needed; the body is left out.
    public var kept: KeptParameters { KeptParameters(pairs: Array(environment.pairs), cameByTCP: cameByTCP) }

    /// CONTENT_LENGTH; 0 when it is missing or no number, and `Int.max` when it does not fit.
    var contentLength: Int {
        environment.value("CONTENT_LENGTH").map(Self.decimal) ?? 0
    }

    private static func decimal(_ digits: UnsafeBufferPointer<UInt8>) -> Int {
        var number = 0
        for digit in digits {
            guard (0x30...0x39).contains(digit) else { return 0 }
            let (tenfold, overflow) = number.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tenfold.addingReportingOverflow(Int(digit - 0x30))
            if overflow || carry { return .max }
            number = sum
        }
        return number
    }
}

/// A request's parameters for longer than its handler runs.
public struct KeptParameters: Sendable {
    let pairs: [UInt8]
    let cameByTCP: Bool

    /// The request, with the body that somebody kept for it; it must not leave the closure.
    public func read<R>(with body: Body = .none, _ read: (Request) -> R) -> R {
        pairs.withUnsafeBytes {
            var request = Request(environment: Environment(pairs: $0), body: body)
            request.cameByTCP = cameByTCP
            return read(request)
        }
    }
}

/// The request's method (RFC 9110 section 9): case-sensitive.
public enum Method: Sendable, Equatable {
    case get, head, post, put, delete, options, patch
    case other(String)

    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        switch bytes.count {
        case 3 where bytes.elementsEqual("GET".utf8): self = .get
        case 3 where bytes.elementsEqual("PUT".utf8): self = .put
        case 4 where bytes.elementsEqual("HEAD".utf8): self = .head
        case 4 where bytes.elementsEqual("POST".utf8): self = .post
        case 5 where bytes.elementsEqual("PATCH".utf8): self = .patch
        case 6 where bytes.elementsEqual("DELETE".utf8): self = .delete
        case 7 where bytes.elementsEqual("OPTIONS".utf8): self = .options
        default: self = .other(String(decoding: bytes, as: UTF8.self))
        }
    }
}

/// What came on FCGI_STDIN.
public enum Body: Sendable, Equatable {
    case none
    case bytes([UInt8])
    /// More than the policy's limit; it was not kept.
    case tooLarge
    /// The policy did not want it.
    case ignored
}

/// What to do with a body, decided from the parameters before it is read.
public enum BodyPolicy: Sendable, Equatable {
    /// Up to this many bytes; a longer one arrives as `Body.tooLarge`.
    case read(limit: Int)
    /// Any CONTENT_LENGTH: whatever arrives is thrown away. nginx's `auth_request` sends the main request's length with no body at all.
    case ignore
}

/// What one caller, and all of them together, may take.
public struct Limits: Sendable {
    /// Bytes of all parameters (names, values and their length bytes) of one request.
    public var parameterBytes = 64 * 1024
    public var parameterCount = 1000
    /// From the first byte of a request that is not whole yet until the connection is closed.
    public var receiveTimeout: Duration = .seconds(10)
    /// From the first time an answer does not fit the socket until the connection is closed.
    public var sendTimeout: Duration = .seconds(10)
    /// Open connections, beyond which new ones wait in the backlog.
    public var connections: Int
    /// Parked requests, beyond which a ticket ends as `.refused`.
    public var parked: Int

    /// Derives the numbers of connections and parked requests from RLIMIT_NOFILE: 64 descriptors stay for files and other sockets, and
    /// an eighth of the connections for requests that need no waiting.
    public init() {
        connections = max(8, Self.descriptors - 64)
        parked = connections - max(4, connections / 8)
    }

    /// The soft limit of descriptors, at most a million.
    static var descriptors: Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        return Int(min(limit.rlim_cur, 1 << 20))
    }
}

/// A request's parameters: name-value pairs as FastCGI carries them (Specification 1.0, section 3.4), which a scan has found right and
/// somebody else keeps alive.
struct Environment {
    let pairs: UnsafeRawBufferPointer

    /// The first value of that name.
    func value(_ name: StaticString) -> UnsafeBufferPointer<UInt8>? {
        var position = 0
        return next(name, &position)
    }

    func values(_ name: StaticString) -> [String] {
        var position = 0
        var found: [String] = []
        while let value = next(name, &position) { found.append(String(decoding: value, as: UTF8.self)) }
        return found
    }

    private func next(_ name: StaticString, _ position: inout Int) -> UnsafeBufferPointer<UInt8>? {
        var length = 0
        let found = name.withUTF8Buffer { bytes in
            bytes.withMemoryRebound(to: CChar.self) {
                csys_parameter(pairs.baseAddress, pairs.count, &position, $0.baseAddress, $0.count, &length)
            }
        }
        return found.map { UnsafeBufferPointer(start: $0, count: length) }
    }
}

/// An environment of our own making, for tests of routers.
private final class OwnedEnvironment {
    let environment: Environment
    private let memory: UnsafeMutableRawBufferPointer

    init(_ parameters: [(String, String)]) {
        var pairs: [UInt8] = []
        for text in parameters {
            for length in [text.0.utf8.count, text.1.utf8.count] {
                withUnsafeBytes(of: (UInt32(length) | 0x8000_0000).bigEndian) { pairs.append(contentsOf: $0) }
            }
            pairs += text.0.utf8
            pairs += text.1.utf8
        }
        memory = .allocate(byteCount: pairs.count, alignment: 1)
        memory.copyBytes(from: pairs)
        environment = Environment(pairs: UnsafeRawBufferPointer(memory))
    }

    deinit { memory.deallocate() }
}
