import CLibFCGI

/// A record that is not the next one of the request under way, and what the web server is told of it.
struct Interruption {
    enum Kind: Equatable {
        /// Of a request that is not under way, so that nobody waits for it (FastCGI Specification 1.0, section 3.3).
        case stray
        /// About the application, not about a request (section 4).
        case management
        /// A request begins.
        case begin
        /// The web server wants no answer any more (section 5.4).
        case abort
    }

    let header: RecordHeader
    let kind: Kind
    private let request: UInt16?

    /// - Parameter request: the one under way.
    /// - Throws: when no web server sends such a record at this place.
    init(_ header: RecordHeader, during request: UInt16?) throws(Fault) {
        guard header.version == RecordHeader.version else { throw .version(header.version) }
        self.header = header
        self.request = request
        let isOther = header.request != request
        switch header.type {
        case RecordHeader.beginRequest:
            guard header.request != RecordHeader.noRequest, isOther, header.contentLength == MemoryLayout<FCGI_BeginRequestBody>.size else {
                throw .unexpectedRecord(type: header.type)
            }
            kind = .begin
        case _ where header.request == RecordHeader.noRequest: kind = .management
        case RecordHeader.abortRequest: kind = isOther ? .stray : .abort
        case RecordHeader.parameters, RecordHeader.standardInput, RecordHeader.data:
            guard isOther else { throw .unexpectedRecord(type: header.type) }
            kind = .stray
        default: throw .unexpectedRecord(type: header.type)
        }
    }

    /// The records to answer it with.
    func answer(to content: UnsafeRawBufferPointer, _ limits: Limits) throws(Fault) -> [UInt8] {
        var answer: [UInt8] = []
        switch kind {
        case .stray: break
        case .management where header.type == RecordHeader.getValues: answer = try Self.values(asked: content, limits)
        case .management: answer.append(record: FCGI_UnknownTypeRecord(header.type))
        // One connection carries one request after the other; and this program is no authorizer and no filter.
        case .begin: answer.append(record: FCGI_EndRequestRecord(header.request, request != nil ? FCGI_CANT_MPX_CONN : FCGI_UNKNOWN_ROLE))
        case .abort: answer.append(record: FCGI_EndRequestRecord(header.request, FCGI_REQUEST_COMPLETE))
        }
        return answer
    }

    func answer(to content: [UInt8], _ limits: Limits) throws(Fault) -> [UInt8] {
        let answer: Result<[UInt8], Fault> = content.withUnsafeBytes { content in
            Result { () throws(Fault) in try self.answer(to: content, limits) }
        }
        return try answer.get()
    }

    /// FCGI_GET_VALUES_RESULT: those of the variables asked for that the specification knows (section 4.1), each once.
    private static func values(asked: UnsafeRawBufferPointer, _ limits: Limits) throws(Fault) -> [UInt8] {
        var walk = ParameterWalk(byteLimit: limits.parameterBytes, pairLimit: limits.parameterCount)
        try walk.feed(asked)
        guard walk.isBetweenPairs else { throw .parameters }
        let names = Environment(pairs: asked)
        var content: [UInt8] = []
        func say(_ name: String, _ value: String) {
            content += [UInt8(name.utf8.count), UInt8(value.utf8.count)] + Array(name.utf8) + Array(value.utf8)
        }
        if names.value("FCGI_MAX_CONNS") != nil { say(FCGI_MAX_CONNS, String(limits.connections)) }
        // A connection has one request at a time.
        if names.value("FCGI_MAX_REQS") != nil { say(FCGI_MAX_REQS, String(limits.connections)) }
        if names.value("FCGI_MPXS_CONNS") != nil { say(FCGI_MPXS_CONNS, "0") }
        let padding = -content.count & 7  // section 3.3 recommends it
        var record: [UInt8] = []
        record.append(
            record: RecordHeader(
                RecordHeader.getValuesResult, of: RecordHeader.noRequest, contentLength: content.count, paddingLength: padding
            ).wire)
        return record + content + [UInt8](repeating: 0, count: padding)
    }
}

/// Takes what interrupts a request out of what has come of it, in one pass, so that the scan finds the request as if it had come alone.
struct RecordSieve {
    /// What is to be said to what was taken out.
    private(set) var replies: [UInt8] = []
    /// The connection ends with the replies, as the web server wants it.
    private(set) var isLast = false
    private let limits: Limits
    private var request: UInt16?
    private var isKept = true
    private var kept = 0

    init(limits: Limits) { self.limits = limits }

    /// Leaves in the memory what is the request's, what has come only half, and what came after the request's end. Answers how much that is.
    mutating func sift(_ memory: UnsafeMutableRawBufferPointer) throws(Fault) -> Int {
        var position = 0
        var isOver = false
        while !isOver, !isLast, memory.count - position >= RecordHeader.headerLength {
            let header = RecordHeader(UnsafeRawBufferPointer(memory), at: position)
            let record = UnsafeMutableRawBufferPointer(rebasing: memory[position..<min(position + header.recordLength, memory.count)])
            let isWhole = record.count == header.recordLength
            if isOwn(header) {
                guard isWhole else { break }
                keep(record, in: memory)
                isOver = header.type == RecordHeader.standardInput && header.contentLength == 0
            } else {
                let interruption = try Interruption(header, during: request)
                guard isWhole else { break }
                try take(interruption, record, in: memory)
            }
            position += header.recordLength
        }
        keep(UnsafeMutableRawBufferPointer(rebasing: memory[position...]), in: memory)
        return kept
    }

    private func isOwn(_ header: RecordHeader) -> Bool {
        guard let request else { return false }
        return header.belongs(to: request, as: RecordHeader.parameters) || header.belongs(to: request, as: RecordHeader.standardInput)
    }

    private mutating func take(
        _ interruption: Interruption, _ record: UnsafeMutableRawBufferPointer, in memory: UnsafeMutableRawBufferPointer
    ) throws(Fault) {
        let header = interruption.header
        let content = UnsafeRawBufferPointer(rebasing: record[RecordHeader.headerLength...].prefix(header.contentLength))
        if interruption.kind == .begin, request == nil {
            let body = FCGI_BeginRequestBody(content, at: 0)
            if body.isResponder {
                (request, isKept) = (header.request, body.isKept)
                return begin(header, content, in: memory)
            }
            isLast = !body.isKept
        }
        replies += try interruption.answer(to: content, limits)
        guard interruption.kind == .abort else { return }
        // What goes is held to the rules of what is read, so that it is the same in whatever pieces it comes.
        _ = try RequestScan.look(at: UnsafeRawBufferPointer(rebasing: memory[..<kept]), limits: limits)
        isLast = !isKept
        (request, kept) = (nil, 0)
    }

    /// The scan wants FCGI_BEGIN_REQUEST without padding, as web servers send it.
    private mutating func begin(_ header: RecordHeader, _ content: UnsafeRawBufferPointer, in memory: UnsafeMutableRawBufferPointer) {
        let body = FCGI_BeginRequestBody(content, at: 0)
        let plain = RecordHeader(header.type, of: header.request, contentLength: header.contentLength)
        memory.storeBytes(of: plain.wire, toByteOffset: kept, as: FCGI_Header.self)
        memory.storeBytes(of: body, toByteOffset: kept + RecordHeader.headerLength, as: FCGI_BeginRequestBody.self)
        kept += plain.recordLength
    }

    private mutating func keep(_ bytes: UnsafeMutableRawBufferPointer, in memory: UnsafeMutableRawBufferPointer) {
        if let from = bytes.baseAddress, let to = memory.baseAddress, from != to + kept {
            (to + kept).copyMemory(from: from, byteCount: bytes.count)
        }
        kept += bytes.count
    }
}
