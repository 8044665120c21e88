import Glibc

/// Looks at the bytes that have come on a connection, until the parameters are whole.
///
/// A stranger's records can claim lengths that they do not have, come in any order or stop half-way: nothing is made of a request before
/// this scan has seen BEGIN_REQUEST and every PARAMS record whole and right.
struct RequestScan: Equatable {
    let request: UInt16
    /// The caller wants the connection kept (FCGI_KEEP_CONN).
    let isKept: Bool
    /// Where the name-value pairs lie when one record has them all, as nginx sends them.
    let pairs: Range<Int>?
    /// Where FCGI_STDIN begins.
    let parametersEnd: Int
    /// Content of FCGI_STDIN seen so far.
    let inputLength: Int
    /// FCGI_STDIN's end was seen, and nothing after it.
    let isWhole: Bool

    private static let responder: UInt16 = 1

    /// nil while the parameters are not complete.
    static func look(at bytes: UnsafeRawBufferPointer, limits: Limits) throws(Fault) -> RequestScan? {
        guard let (request, isKept) = try begin(bytes) else { return nil }
        var walk = ParameterWalk(byteLimit: limits.parameterBytes, pairLimit: limits.parameterCount)
        var pairs: Range<Int>? = 0..<0
        var position = 2 * RecordHeader.headerLength
        while position + RecordHeader.headerLength <= bytes.count {
            let record = RecordHeader(bytes, at: position)
            guard record.belongs(to: request, as: RecordHeader.parameters) else { throw .unexpectedRecord(type: record.type) }
            let content = position + RecordHeader.headerLength
            let end = content + record.contentLength + record.paddingLength
            if record.contentLength == 0 {
                guard walk.isBetweenPairs else { throw .parameters }
                guard end <= bytes.count else { return nil }
                let input = try input(bytes, request: request, from: end)
                return RequestScan(
                    request: request, isKept: isKept, pairs: pairs, parametersEnd: end, inputLength: input.length, isWhole: input.isWhole)
            }
            pairs = pairs == 0..<0 ? content..<(content + record.contentLength) : nil
            try walk.feed(UnsafeRawBufferPointer(rebasing: bytes[content..<min(content + record.contentLength, bytes.count)]))
            position = end
        }
        return nil
    }

    /// The name-value pairs of all records, without what is between them.
    func joinedPairs(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var joined: [UInt8] = []
        var position = 2 * RecordHeader.headerLength
        while position < parametersEnd {
            let record = RecordHeader(bytes, at: position)
            let content = position + RecordHeader.headerLength
            joined.append(contentsOf: bytes[content..<(content + record.contentLength)])
            position = content + record.contentLength + record.paddingLength
        }
        return joined
    }

    /// The request's id and whether its connection is kept, or nil when BEGIN_REQUEST is not complete.
    private static func begin(_ bytes: UnsafeRawBufferPointer) throws(Fault) -> (request: UInt16, isKept: Bool)? {
        if let version = bytes.first, version != 1 { throw .version(version) }
        guard bytes.count >= RecordHeader.headerLength else { return nil }
        let record = RecordHeader(bytes, at: 0)
        guard record.type == RecordHeader.beginRequest, record.request != 0, record.contentLength == 8, record.paddingLength == 0 else {
            throw .unexpectedRecord(type: record.type)
        }
        guard bytes.count >= 2 * RecordHeader.headerLength else { return nil }
        let role = UInt16(bytes[8]) << 8 | UInt16(bytes[9])
        guard role == responder else { throw .role(role) }
        return (record.request, bytes[10] & 1 != 0)
    }

    private static func input(
        _ bytes: UnsafeRawBufferPointer, request: UInt16, from start: Int
    ) throws(Fault) -> (length: Int, isWhole: Bool) {
        var length = 0
        var isWhole = false
        var position = start
        while position + RecordHeader.headerLength <= bytes.count, !isWhole {
            let record = RecordHeader(bytes, at: position)
            guard record.belongs(to: request, as: RecordHeader.standardInput) else { throw .unexpectedRecord(type: record.type) }
            position += RecordHeader.headerLength + record.contentLength + record.paddingLength
            length += record.contentLength
            isWhole = record.contentLength == 0 && position <= bytes.count
            if record.contentLength == 0 { break }
        }
        if isWhole, position < bytes.count { throw .pipelined }
        return (length, isWhole)
    }
}

/// The head of a record (FastCGI Specification 1.0, section 3.3).
struct RecordHeader {
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

/// Walks over name-value pairs (FastCGI Specification 1.0, section 3.4) that may be cut anywhere by records.
///
/// A claim beyond the limit ends here before its bytes arrive. So do a NUL byte and an `=` in a name, which no web server sends and which
/// other readers of the same bytes, with C strings of `NAME=value`, would understand otherwise.
private struct ParameterWalk {
    private enum Step { case nameLength, valueLength, name, value }

    private var step = Step.nameLength
    private var pendingLengthBytes = 0
    private var nameLeft = 0
    private var valueLeft = 0
    private var pairs = 0
    private var total = 0
    private let byteLimit: Int
    private let pairLimit: Int

    init(byteLimit: Int, pairLimit: Int) {
        self.byteLimit = byteLimit
        self.pairLimit = pairLimit
    }

    /// No pair is half-read.
    var isBetweenPairs: Bool { step == .nameLength && pendingLengthBytes == 0 }

    mutating func feed(_ bytes: UnsafeRawBufferPointer) throws(Fault) {
        total += bytes.count
        guard total <= byteLimit else { throw .parametersTooLarge }
        var position = 0
        while position < bytes.count {
            switch step {
            case .nameLength:
                guard Self.complete(&nameLeft, &pendingLengthBytes, with: bytes[position]) else {
                    position += 1
                    continue
                }
                guard nameLeft > 0 else { throw .parameters }
                step = .valueLength
                position += 1
            case .valueLength:
                guard Self.complete(&valueLeft, &pendingLengthBytes, with: bytes[position]) else {
                    position += 1
                    continue
                }
                guard nameLeft + valueLeft <= byteLimit - total + bytes.count - position else { throw .parametersTooLarge }
                step = .name
                position += 1
            case .name:
                let part = try Self.part(of: bytes, from: position, length: nameLeft, refusing: 0x3d)
                position += part
                nameLeft -= part
                if nameLeft == 0 { try beginValue() }
            case .value:
                let part = try Self.part(of: bytes, from: position, length: valueLeft, refusing: 0)
                position += part
                valueLeft -= part
                if valueLeft == 0 { step = .nameLength }
            }
        }
    }

    /// One byte of a length of one or four bytes; true when the length is complete.
    private static func complete(_ length: inout Int, _ pending: inout Int, with byte: UInt8) -> Bool {
        if pending > 0 {
            length = length << 8 | Int(byte)
            pending -= 1
        } else if byte & 0x80 != 0 {
            length = Int(byte & 0x7f)
            pending = 3
        } else {
            length = Int(byte)
        }
        return pending == 0
    }

    private mutating func beginValue() throws(Fault) {
        pairs += 1
        guard pairs <= pairLimit else { throw .parametersTooLarge }
        step = valueLeft == 0 ? .nameLength : .value
    }

    /// How much of a name or value is in this piece. It must hold no NUL and no refused byte.
    private static func part(
        of bytes: UnsafeRawBufferPointer, from position: Int, length: Int, refusing refused: CInt
    ) throws(Fault) -> Int {
        let count = min(length, bytes.count - position)
        guard let start = bytes.baseAddress.map({ $0 + position }) else { return count }
        if memchr(start, 0, count) != nil || refused != 0 && memchr(start, refused, count) != nil { throw .parameters }
        return count
    }
}
