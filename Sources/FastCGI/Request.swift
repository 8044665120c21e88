import CSystem

/// One request's parameters and body. The parameters are borrowed from the thread that received them: valid only while the handler runs.
public struct Request {
    /// REQUEST_METHOD; `.other("")` when it is missing.
    public let method: Method
    public let body: Body

    private let environment: Environment
    private let owner: OwnedEnvironment?

    init(environment: Environment, body: Body) {
        self.init(environment: environment, owner: nil, body: body)
    }

    /// A request without a socket, for testing a router. The parameters keep their order; one name may come twice.
    public init(testing parameters: [(String, String)], body: Body = .none) {
        let owner = OwnedEnvironment(parameters)
        self.init(environment: owner.environment, owner: owner, body: body)
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
    public func withParameter<R>(_ name: StaticString, _ read: (UnsafeBufferPointer<UInt8>) throws -> R) rethrows -> R? {
        try environment.value(name).map(read)
    }

    /// Every parameter of that name in order: two `Cookie` lines of an HTTP request arrive as two HTTP_COOKIE.
    public func parameters(_ name: StaticString) -> [String] {
        environment.values(name)
    }

    /// The parameters for later, in a copy that is looked into only when they are needed; the body is left out.
    public var kept: KeptParameters { KeptParameters(pairs: Array(environment.pairs)) }

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
    fileprivate let pairs: [UInt8]

    /// The request, without its body; it must not leave the closure.
    public func read<R>(_ body: (Request) -> R) -> R {
        pairs.withUnsafeBytes { body(Request(environment: Environment(pairs: $0), body: .none)) }
    }
}
