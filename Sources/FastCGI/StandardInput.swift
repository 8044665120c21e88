/// Collects the content of FCGI_STDIN records from bytes that may be cut anywhere.
struct StandardInput {
    enum Progress: Equatable {
        /// Not at the end yet. At least this many bytes still belong to this request.
        case wants(Int)
        case complete
        /// The content is longer than the limit.
        case overLimit
    }

    private(set) var content: [UInt8] = []
    private let request: UInt16
    private let limit: Int
    private var header: [UInt8] = []
    private var contentLeft = 0
    private var paddingLeft = 0
    private var isEnding = false

    init(request: UInt16, limit: Int, expecting length: Int) {
        self.request = request
        self.limit = limit
        content.reserveCapacity(min(length, limit))
        header.reserveCapacity(Record.headerLength)
    }

    /// Takes the next bytes. After `complete` or `overLimit` it must not be fed again.
    mutating func feed(_ bytes: UnsafeRawBufferPointer) throws(Fault) -> Progress {
        var rest = bytes[...]
        while true {
            if contentLeft > 0 {
                let count = min(contentLeft, rest.count)
                guard content.count + count <= limit else { return .overLimit }
                content.append(contentsOf: rest.prefix(count))
                contentLeft -= count
                rest = rest.dropFirst(count)
            }
            if contentLeft == 0, paddingLeft > 0 {
                let count = min(paddingLeft, rest.count)
                paddingLeft -= count
                rest = rest.dropFirst(count)
            }
            if contentLeft + paddingLeft == 0, isEnding {
                guard rest.isEmpty else { throw .pipelined }
                return .complete
            }
            if rest.isEmpty { return .wants(wanted) }
            if contentLeft + paddingLeft == 0 { try takeHeader(&rest) }
        }
    }

    private var wanted: Int {
        let rest = contentLeft + paddingLeft
        return isEnding ? rest : rest + Record.headerLength - header.count
    }

    private mutating func takeHeader(_ rest: inout Slice<UnsafeRawBufferPointer>) throws(Fault) {
        let count = min(Record.headerLength - header.count, rest.count)
        header.append(contentsOf: rest.prefix(count))
        rest = rest.dropFirst(count)
        guard header.count == Record.headerLength else { return }
        let record = header.withUnsafeBytes { Record($0, at: 0) }
        guard record.belongs(to: request, as: Record.standardInput) else { throw .unexpectedRecord(type: record.type) }
        header.removeAll(keepingCapacity: true)
        contentLeft = record.contentLength
        paddingLeft = record.paddingLength
        isEnding = record.contentLength == 0
    }
}
