/// Looks at the bytes that wait on a connection, before libfcgi reads any of them.
///
/// libfcgi reads until the parameters are complete, and a stranger's records can make it wait, allocate without bound or crash. So it is
/// let near a request only after this scan has seen BEGIN_REQUEST and every PARAMS record whole and right.
struct RequestScan: Equatable {
    let request: UInt16
    /// Where libfcgi stops: after the header of the empty PARAMS record (it never skips that record's padding).
    let libraryEnd: Int
    /// Where FCGI_STDIN begins.
    let parametersEnd: Int
    /// Content of FCGI_STDIN seen so far.
    let inputLength: Int
    /// FCGI_STDIN's end was seen, and nothing after it.
    let isWhole: Bool

    private static let responder: UInt16 = 1

    /// nil while the parameters are not complete.
    static func look(at bytes: UnsafeRawBufferPointer, limits: Limits) throws(Fault) -> RequestScan? {
        guard let request = try begin(bytes) else { return nil }
        var walk = ParameterWalk(byteLimit: limits.parameterBytes, pairLimit: limits.parameterCount)
        var position = 2 * Record.headerLength
        while position + Record.headerLength <= bytes.count {
            let record = Record(bytes, at: position)
            guard record.belongs(to: request, as: Record.parameters) else { throw .unexpectedRecord(type: record.type) }
            let content = position + Record.headerLength
            let end = content + record.contentLength + record.paddingLength
            if record.contentLength == 0 {
                guard walk.isBetweenPairs else { throw .parameters }
                guard end <= bytes.count else { return nil }
                return try input(bytes, request: request, libraryEnd: content, parametersEnd: end)
            }
            try walk.feed(UnsafeRawBufferPointer(rebasing: bytes[content..<min(content + record.contentLength, bytes.count)]))
            position = end
        }
        return nil
    }

    /// The request's id, or nil when BEGIN_REQUEST is not complete. Padding is refused: libfcgi would take it for the next record.
    private static func begin(_ bytes: UnsafeRawBufferPointer) throws(Fault) -> UInt16? {
        if let version = bytes.first, version != 1 { throw .version(version) }
        guard bytes.count >= Record.headerLength else { return nil }
        let record = Record(bytes, at: 0)
        guard record.type == Record.beginRequest, record.request != 0, record.contentLength == 8, record.paddingLength == 0 else {
            throw .unexpectedRecord(type: record.type)
        }
        guard bytes.count >= 2 * Record.headerLength else { return nil }
        let role = UInt16(bytes[8]) << 8 | UInt16(bytes[9])
        guard role == responder else { throw .role(role) }
        return record.request
    }

    private static func input(
        _ bytes: UnsafeRawBufferPointer, request: UInt16, libraryEnd: Int, parametersEnd: Int
    ) throws(Fault) -> RequestScan {
        var length = 0
        var isWhole = false
        var position = parametersEnd
        while position + Record.headerLength <= bytes.count, !isWhole {
            let record = Record(bytes, at: position)
            guard record.belongs(to: request, as: Record.standardInput) else { throw .unexpectedRecord(type: record.type) }
            position += Record.headerLength + record.contentLength + record.paddingLength
            length += record.contentLength
            isWhole = record.contentLength == 0 && position <= bytes.count
            if record.contentLength == 0 { break }
        }
        if isWhole, position < bytes.count { throw .pipelined }
        return RequestScan(
            request: request, libraryEnd: libraryEnd, parametersEnd: parametersEnd, inputLength: length, isWhole: isWhole)
    }
}
