import CSystem

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
final class OwnedEnvironment {
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
