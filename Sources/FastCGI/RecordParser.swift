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
