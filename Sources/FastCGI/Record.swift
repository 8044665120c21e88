import CLibFCGI
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
    /// Where the request ends, and what came after it begins; nil while FCGI_STDIN's end was not seen.
    let end: Int?

    var isWhole: Bool { end != nil }

    enum Finding: Equatable {
        /// The parameters are not complete.
        case incomplete
        case request(RequestScan)
        /// A record has come that is not the next one of a request: a `RecordSieve` is to take it out.
        case interrupted
    }

    static func look(at bytes: UnsafeRawBufferPointer, limits: Limits) throws(Fault) -> Finding {
        if let version = bytes.first, version != RecordHeader.version { throw .version(version) }
        guard bytes.count >= RecordHeader.headerLength else { return .incomplete }
        let first = RecordHeader(bytes, at: 0)
        guard first.type == RecordHeader.beginRequest, first.request != RecordHeader.noRequest,
            first.contentLength == MemoryLayout<FCGI_BeginRequestBody>.size, first.paddingLength == 0
        else { return .interrupted }
        guard bytes.count >= first.recordLength else { return .incomplete }
        let begin = FCGI_BeginRequestBody(bytes, at: RecordHeader.headerLength)
        guard begin.isResponder else { return .interrupted }
        return try parameters(bytes, of: first.request, isKept: begin.isKept, limits)
    }

    private static func parameters(
        _ bytes: UnsafeRawBufferPointer, of request: UInt16, isKept: Bool, _ limits: Limits
    ) throws(Fault) -> Finding {
        var walk = ParameterWalk(byteLimit: limits.parameterBytes, pairLimit: limits.parameterCount)
        var pairs: Range<Int>? = 0..<0
        var position = beginLength
        while position + RecordHeader.headerLength <= bytes.count {
            let record = RecordHeader(bytes, at: position)
            guard record.belongs(to: request, as: RecordHeader.parameters) else { return try interrupted(by: record, request) }
            let content = position + RecordHeader.headerLength
            let end = position + record.recordLength
            if record.contentLength == 0 {
                guard walk.isBetweenPairs else { throw .parameters }
                guard end <= bytes.count else { return .incomplete }
                guard let input = try input(bytes, request: request, from: end) else { return .interrupted }
                return .request(
                    RequestScan(
                        request: request, isKept: isKept, pairs: pairs, parametersEnd: end, inputLength: input.length, end: input.end))
            }
            pairs = pairs == 0..<0 ? content..<(content + record.contentLength) : nil
            try walk.feed(UnsafeRawBufferPointer(rebasing: bytes[content..<min(content + record.contentLength, bytes.count)]))
            position = end
        }
        return .incomplete
    }

    private static var beginLength: Int { MemoryLayout<FCGI_BeginRequestRecord>.size }

    /// The name-value pairs of all records, without what is between them.
    func joinedPairs(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var joined: [UInt8] = []
        var position = Self.beginLength
        while position < parametersEnd {
            let record = RecordHeader(bytes, at: position)
            let content = position + RecordHeader.headerLength
            joined.append(contentsOf: bytes[content..<(content + record.contentLength)])
            position += record.recordLength
        }
        return joined
    }

    /// What came of FCGI_STDIN; nil when something interrupts it.
    private static func input(
        _ bytes: UnsafeRawBufferPointer, request: UInt16, from start: Int
    ) throws(Fault) -> (length: Int, end: Int?)? {
        var length = 0
        var position = start
        while position + RecordHeader.headerLength <= bytes.count {
            let record = RecordHeader(bytes, at: position)
            guard record.belongs(to: request, as: RecordHeader.standardInput) else {
                _ = try interrupted(by: record, request)
                return nil
            }
            position += record.recordLength
            length += record.contentLength
            if record.contentLength == 0 { return (length, position <= bytes.count ? position : nil) }
        }
        return (length, nil)
    }

    /// - Throws: when the record is one of the request itself, in a wrong place.
    private static func interrupted(by record: RecordHeader, _ request: UInt16) throws(Fault) -> Finding {
        guard record.request != request || record.type == RecordHeader.abortRequest else { throw .unexpectedRecord(type: record.type) }
        return .interrupted
    }
}

/// What is wrong with bytes on a connection. Each ends the connection.
enum Fault: Error, Equatable {
    /// No FastCGI, or a record that no web server sends here: in the wrong order, or one that only an application sends.
    case unexpectedRecord(type: UInt8)
    case version(UInt8)
    /// Lengths that do not add up, a name that is empty or has an `=`, a NUL byte.
    case parameters
    case parametersTooLarge
}

/// Walks over name-value pairs (FastCGI Specification 1.0, section 3.4) that may be cut anywhere by records.
///
/// A claim beyond the limit ends here before its bytes arrive. So do a NUL byte and an `=` in a name, which no web server sends and which
/// other readers of the same bytes, with C strings of `NAME=value`, would understand otherwise.
struct ParameterWalk {
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

/// The head of a record (FastCGI Specification 1.0, section 3.3). Numbers and layouts are those of libfcgi's fastcgi.h.
struct RecordHeader {
    static var headerLength: Int { MemoryLayout<FCGI_Header>.size }

    static var version: UInt8 { UInt8(truncatingIfNeeded: FCGI_VERSION_1) }
    static var beginRequest: UInt8 { UInt8(truncatingIfNeeded: FCGI_BEGIN_REQUEST) }
    static var abortRequest: UInt8 { UInt8(truncatingIfNeeded: FCGI_ABORT_REQUEST) }
    static var endRequest: UInt8 { UInt8(truncatingIfNeeded: FCGI_END_REQUEST) }
    static var parameters: UInt8 { UInt8(truncatingIfNeeded: FCGI_PARAMS) }
    static var standardInput: UInt8 { UInt8(truncatingIfNeeded: FCGI_STDIN) }
    static var standardOutput: UInt8 { UInt8(truncatingIfNeeded: FCGI_STDOUT) }
    static var data: UInt8 { UInt8(truncatingIfNeeded: FCGI_DATA) }
    static var getValues: UInt8 { UInt8(truncatingIfNeeded: FCGI_GET_VALUES) }
    static var getValuesResult: UInt8 { UInt8(truncatingIfNeeded: FCGI_GET_VALUES_RESULT) }
    static var unknownType: UInt8 { UInt8(truncatingIfNeeded: FCGI_UNKNOWN_TYPE) }
    /// The request of a management record (section 3.3).
    static var noRequest: UInt16 { UInt16(truncatingIfNeeded: FCGI_NULL_REQUEST_ID) }

    /// As it travels.
    let wire: FCGI_Header

    /// The head at an offset, which must leave 8 bytes.
    init(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        wire = bytes.loadUnaligned(fromByteOffset: offset, as: FCGI_Header.self)
    }

    /// - Parameters: of content and padding, at most 65,535 and 255 bytes.
    init(_ type: UInt8, of request: UInt16, contentLength: Int, paddingLength: Int = 0) {
        wire = FCGI_Header(
            version: Self.version, type: type, requestIdB1: UInt8(request >> 8), requestIdB0: UInt8(request & 0xff),
            contentLengthB1: UInt8(truncatingIfNeeded: contentLength >> 8), contentLengthB0: UInt8(truncatingIfNeeded: contentLength),
            paddingLength: UInt8(truncatingIfNeeded: paddingLength), reserved: 0)
    }

    var version: UInt8 { wire.version }
    var type: UInt8 { wire.type }
    var request: UInt16 { UInt16(wire.requestIdB1) << 8 | UInt16(wire.requestIdB0) }
    var contentLength: Int { Int(wire.contentLengthB1) << 8 | Int(wire.contentLengthB0) }
    var paddingLength: Int { Int(wire.paddingLength) }
    /// With content and padding.
    var recordLength: Int { Self.headerLength + contentLength + paddingLength }

    func belongs(to request: UInt16, as type: UInt8) -> Bool {
        version == Self.version && self.type == type && self.request == request
    }
}

extension FCGI_BeginRequestBody {
    /// The body at an offset, which must leave 8 bytes (section 5.1).
    init(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        self = bytes.loadUnaligned(fromByteOffset: offset, as: FCGI_BeginRequestBody.self)
    }

    var isResponder: Bool { Int32(roleB1) << 8 | Int32(roleB0) == FCGI_RESPONDER }
    /// The web server wants the connection kept.
    var isKept: Bool { Int32(flags) & FCGI_KEEP_CONN != 0 }
}

extension FCGI_EndRequestRecord {
    /// The end of a request, with the application's status 0 (section 5.5).
    /// - Parameter status: FCGI_REQUEST_COMPLETE, or why there is no answer.
    init(_ request: UInt16, _ status: CInt) {
        let header = RecordHeader(
            RecordHeader.endRequest, of: request, contentLength: MemoryLayout<FCGI_EndRequestBody>.size)
        var body = FCGI_EndRequestBody()
        body.protocolStatus = UInt8(truncatingIfNeeded: status)
        self.init(header: header.wire, body: body)
    }
}

extension FCGI_UnknownTypeRecord {
    /// "A management record of this type is unknown here" (section 4.2).
    init(_ type: UInt8) {
        let header = RecordHeader(
            RecordHeader.unknownType, of: RecordHeader.noRequest, contentLength: MemoryLayout<FCGI_UnknownTypeBody>.size)
        var body = FCGI_UnknownTypeBody()
        body.type = type
        self.init(header: header.wire, body: body)
    }
}

extension [UInt8] {
    /// Appends one of fastcgi.h's structures, which are bytes without gaps.
    mutating func append<Record: BitwiseCopyable>(record: Record) {
        Swift.withUnsafeBytes(of: record) { append(contentsOf: $0) }
    }
}
