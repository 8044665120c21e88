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
        var position = 2 * Record.headerLength
        while position + Record.headerLength <= bytes.count {
            let record = Record(bytes, at: position)
            guard record.belongs(to: request, as: Record.parameters) else { throw .unexpectedRecord(type: record.type) }
            let content = position + Record.headerLength
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
        var position = 2 * Record.headerLength
        while position < parametersEnd {
            let record = Record(bytes, at: position)
            let content = position + Record.headerLength
            joined.append(contentsOf: bytes[content..<(content + record.contentLength)])
            position = content + record.contentLength + record.paddingLength
        }
        return joined
    }

    /// The request's id and whether its connection is kept, or nil when BEGIN_REQUEST is not complete.
    private static func begin(_ bytes: UnsafeRawBufferPointer) throws(Fault) -> (request: UInt16, isKept: Bool)? {
        if let version = bytes.first, version != 1 { throw .version(version) }
        guard bytes.count >= Record.headerLength else { return nil }
        let record = Record(bytes, at: 0)
        guard record.type == Record.beginRequest, record.request != 0, record.contentLength == 8, record.paddingLength == 0 else {
            throw .unexpectedRecord(type: record.type)
        }
        guard bytes.count >= 2 * Record.headerLength else { return nil }
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
        while position + Record.headerLength <= bytes.count, !isWhole {
            let record = Record(bytes, at: position)
            guard record.belongs(to: request, as: Record.standardInput) else { throw .unexpectedRecord(type: record.type) }
            position += Record.headerLength + record.contentLength + record.paddingLength
            length += record.contentLength
            isWhole = record.contentLength == 0 && position <= bytes.count
            if record.contentLength == 0 { break }
        }
        if isWhole, position < bytes.count { throw .pipelined }
        return (length, isWhole)
    }
}
