import CSystem
import Glibc

/// A NULL-terminated array of `NAME=value` strings that somebody else keeps alive.
struct Environment {
    let strings: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

    /// The first value of that name.
    func value(_ name: StaticString) -> UnsafeBufferPointer<UInt8>? {
        var position: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = strings
        return next(name, &position)
    }

    func values(_ name: StaticString) -> [String] {
        var position: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = strings
        var found: [String] = []
        while let value = next(name, &position) { found.append(String(decoding: value, as: UTF8.self)) }
        return found
    }

    private func next(
        _ name: StaticString, _ position: inout UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
    ) -> UnsafeBufferPointer<UInt8>? {
        let found = name.withUTF8Buffer { bytes in
            bytes.withMemoryRebound(to: CChar.self) { csys_parameter(&position, $0.baseAddress, $0.count) }
        }
        guard let found else { return nil }
        return UnsafeRawPointer(found).withMemoryRebound(to: UInt8.self, capacity: 1) {
            UnsafeBufferPointer(start: $0, count: strlen(found))
        }
    }
}

/// An environment of our own making, for tests of routers.
final class OwnedEnvironment {
    let environment: Environment
    private let count: Int

    init(_ parameters: [(String, String)]) {
        count = parameters.count
        let strings = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: count + 1)
        for (index, parameter) in parameters.enumerated() { strings[index] = strdup("\(parameter.0)=\(parameter.1)") }
        strings[count] = nil
        environment = Environment(strings: strings)
    }

    deinit {
        for index in 0..<count { free(environment.strings[index]) }
        environment.strings.deallocate()
    }
}
