import Glibc

/// Makes requests of what arrives on connections. Each event thread has one: what is being looked at lies in its memory.
final class RequestReader {
    /// What came of a look at a connection.
    enum Arrival {
        /// Nothing waits there.
        case nothing
        /// What has come is not a whole request yet.
        indirect case part(Partial)
        case request(Whole)
        /// The caller has hung up, or what it sent is no request.
        case end(Fault?)
    }

    /// A request of which all has come that is wanted of it.
    struct Whole {
        /// Its parameters lie in the reader's memory: good until the next look at any connection.
        let request: Request
        /// The request's number on its connection.
        let id: UInt16
        /// The caller wants the connection kept.
        let isKept: Bool
        /// The caller has sent, or may still send, more than was read.
        var hasMore = false
    }

    /// What has come of a request that is not whole. It waits without a thread.
    enum Partial {
        /// Records up to somewhere in the parameters.
        case parameters([UInt8])
        case body(StandardInput, RequestScan, pairs: [UInt8])
    }

    /// Holds what has come: parameters, their framing, and a body that fits.
    private let memory: UnsafeMutableRawBufferPointer
    private let limits: Limits
    private let bodyPolicy: (Request) -> BodyPolicy

    /// - Parameter bodyPolicy: asked when there is a body or a CONTENT_LENGTH.
    init(limits: Limits, bodyPolicy: @escaping (Request) -> BodyPolicy) {
        self.limits = limits
        self.bodyPolicy = bodyPolicy
        memory = .allocate(byteCount: limits.parameterBytes + 128 * 1024, alignment: 64)
    }

    deinit { memory.deallocate() }

    /// Takes what has arrived, without waiting.
    /// - Parameter partial: what had come before of the same request.
    func read(from descriptor: CInt, after partial: consuming Partial?) -> Arrival {
        do throws(Fault) {
            switch consume partial {
            case nil: return try readParameters(from: descriptor, after: [])
            case .parameters(let bytes): return try readParameters(from: descriptor, after: bytes)
            case .body(let input, let scan, let pairs): return try readBody(from: descriptor, input, scan, pairs)
            }
        } catch {
            return .end(error)
        }
    }

    /// Throws away what the caller still sends. False when it has hung up.
    func discard(from descriptor: CInt) -> Bool {
        for _ in 0..<16 {
            let count = receive(descriptor, into: memory)
            if count == 0 { return false }
            if count < 0 { return Self.isJustEmpty }
        }
        return true
    }

    // MARK: Parameters

    private func readParameters(from descriptor: CInt, after before: consuming [UInt8]) throws(Fault) -> Arrival {
        var before = before
        // As much framing as one piece may have that comes at once.
        guard before.count < memory.count else { throw .parametersTooLarge }
        if !before.isEmpty { memory.copyBytes(from: before) }
        let room = UnsafeMutableRawBufferPointer(rebasing: memory[before.count...])
        let count = receive(descriptor, into: room)
        guard count > 0 else {
            guard count < 0, Self.isJustEmpty else { return .end(nil) }
            return before.isEmpty ? .nothing : .part(.parameters(before))
        }
        let bytes = UnsafeRawBufferPointer(rebasing: memory[..<(before.count + count)])
        guard let scan = try RequestScan.look(at: bytes, limits: limits) else {
            before.append(contentsOf: room[..<count])
            return .part(.parameters(before))
        }
        return try begin(scan, bytes, from: descriptor)
    }

    /// The parameters are whole: is there a body, and who wants it?
    private func begin(_ scan: RequestScan, _ bytes: UnsafeRawBufferPointer, from descriptor: CInt) throws(Fault) -> Arrival {
        let pairs = pairs(of: scan, in: bytes)
        let request = Request(environment: Environment(pairs: pairs), body: .none)
        let length = max(request.contentLength, scan.inputLength)
        guard length > 0 || !scan.isWhole else { return .request(Whole(request: request, id: scan.request, isKept: scan.isKept)) }
        switch bodyPolicy(request) {
        case .ignore: return whole(pairs, .ignored, scan, hasMore: !scan.isWhole)
        case .read(let limit) where length > limit: return whole(pairs, .tooLarge, scan, hasMore: !scan.isWhole)
        case .read(let limit):
            var input = StandardInput(request: scan.request, limit: limit, expecting: length)
            let progress = try input.feed(UnsafeRawBufferPointer(rebasing: bytes[scan.parametersEnd...]))
            guard case .wants = progress else { return complete(pairs, input, scan, progress) }
            return try readBody(from: descriptor, input, scan, Array(pairs))
        }
    }

    /// The name-value pairs in one piece. Joined, they are shorter than the records they came in, so they overwrite nothing else.
    private func pairs(of scan: RequestScan, in bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        if let place = scan.pairs { return UnsafeRawBufferPointer(rebasing: bytes[place]) }
        return lay(scan.joinedPairs(bytes))
    }

    /// Puts name-value pairs at the beginning of the memory.
    private func lay(_ pairs: [UInt8]) -> UnsafeRawBufferPointer {
        memory.copyBytes(from: pairs)
        return UnsafeRawBufferPointer(rebasing: memory[..<pairs.count])
    }

    // MARK: Bodies

    private func readBody(
        from descriptor: CInt, _ input: consuming StandardInput, _ scan: RequestScan, _ pairs: [UInt8]
    ) throws(Fault) -> Arrival {
        var input = input
        var progress = try input.feed(UnsafeRawBufferPointer(start: nil, count: 0))
        while case .wants(let wanted) = progress {
            let count = receive(descriptor, into: UnsafeMutableRawBufferPointer(rebasing: memory[..<min(wanted, memory.count)]))
            guard count > 0 else {
                guard count < 0, Self.isJustEmpty else { return .end(nil) }
                return .part(.body(input, scan, pairs: pairs))
            }
            progress = try input.feed(UnsafeRawBufferPointer(rebasing: memory[..<count]))
        }
        return complete(lay(pairs), input, scan, progress)
    }

    private func complete(
        _ pairs: UnsafeRawBufferPointer, _ input: StandardInput, _ scan: RequestScan, _ progress: StandardInput.Progress
    ) -> Arrival {
        switch progress {
        case .complete: whole(pairs, input.content.isEmpty ? .none : .bytes(input.content), scan, hasMore: false)
        case .overLimit, .wants: whole(pairs, .tooLarge, scan, hasMore: true)
        }
    }

    private func whole(_ pairs: UnsafeRawBufferPointer, _ body: Body, _ scan: RequestScan, hasMore: Bool) -> Arrival {
        let request = Request(environment: Environment(pairs: pairs), body: body)
        return .request(Whole(request: request, id: scan.request, isKept: scan.isKept, hasMore: hasMore))
    }

    // MARK: The socket

    private func receive(_ descriptor: CInt, into room: UnsafeMutableRawBufferPointer) -> Int {
        recv(descriptor, room.baseAddress, room.count, CInt(MSG_DONTWAIT))
    }

    /// Whether the call that just failed found nothing to read, and no more than that.
    private static var isJustEmpty: Bool { errno == EAGAIN || errno == EINTR }
}

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
        header.reserveCapacity(RecordHeader.headerLength)
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
        return isEnding ? rest : rest + RecordHeader.headerLength - header.count
    }

    private mutating func takeHeader(_ rest: inout Slice<UnsafeRawBufferPointer>) throws(Fault) {
        let count = min(RecordHeader.headerLength - header.count, rest.count)
        header.append(contentsOf: rest.prefix(count))
        rest = rest.dropFirst(count)
        guard header.count == RecordHeader.headerLength else { return }
        let record = header.withUnsafeBytes { RecordHeader($0, at: 0) }
        guard record.belongs(to: request, as: RecordHeader.standardInput) else { throw .unexpectedRecord(type: record.type) }
        header.removeAll(keepingCapacity: true)
        contentLeft = record.contentLength
        paddingLeft = record.paddingLength
        isEnding = record.contentLength == 0
    }
}
