/// The head of a record (FastCGI Specification 1.0, section 3.3).
struct Record {
    static let headerLength = 8

    let version: UInt8
    let type: UInt8
    let request: UInt16
    let contentLength: Int
    let paddingLength: Int

    static let beginRequest: UInt8 = 1
    static let endRequest: UInt8 = 3
    static let parameters: UInt8 = 4
    static let standardInput: UInt8 = 5
    static let standardOutput: UInt8 = 6
    static let unknownType: UInt8 = 11

    /// The head at an offset, which must leave 8 bytes.
    init(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        version = bytes[offset]
        type = bytes[offset + 1]
        request = UInt16(bytes[offset + 2]) << 8 | UInt16(bytes[offset + 3])
        contentLength = Int(bytes[offset + 4]) << 8 | Int(bytes[offset + 5])
        paddingLength = Int(bytes[offset + 6])
    }

    /// The eight bytes of a head in the order in which they travel, most significant first.
    static func head(_ type: UInt8, of request: UInt16, contentLength: Int) -> UInt64 {
        1 << 56 | UInt64(type) << 48 | UInt64(request) << 32 | UInt64(contentLength) << 16
    }

    func belongs(to request: UInt16, as type: UInt8) -> Bool {
        version == 1 && self.type == type && self.request == request
    }
}

/// What is wrong with bytes on a connection. Each ends the connection.
enum Fault: Error, Equatable {
    /// No FastCGI, or a record that has no place here: management, another request's, an abort, the wrong order.
    case unexpectedRecord(type: UInt8)
    case version(UInt8)
    case role(UInt16)
    /// Lengths that do not add up, a name that is empty or has an `=`, a NUL byte.
    case parameters
    case parametersTooLarge
    /// Bytes after the end of the request and before its answer.
    case pipelined
}
