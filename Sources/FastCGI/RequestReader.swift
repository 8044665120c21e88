import CLibFCGI
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
        /// Something that is no request is to be answered, before all else.
        indirect case replies(Replies)
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
        /// The caller has sent, or may still send, more of this request than was read.
        var hasMore = false
        /// What has come behind it.
        var ahead: [UInt8] = []
    }

    /// Whole records for the web server.
    struct Replies {
        let records: [UInt8]
        /// The connection is not wanted any longer.
        let isLast: Bool
        /// What has come of what follows, not looked at yet.
        let rest: Partial?
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

    /// Looks at what has come already and was not looked at, and takes no more.
    func look(at partial: consuming Partial) -> Arrival {
        do throws(Fault) {
            switch consume partial {
            case .parameters(let bytes):
                guard bytes.count <= memory.count else { throw .parametersTooLarge }
                memory.copyBytes(from: bytes)
                return try look(at: bytes.count, from: nil) ?? .part(.parameters(bytes))
            case .body(let input, let scan, let pairs): return try readBody(from: nil, input, scan, pairs)
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
        if let arrival = try look(at: before.count + count, from: descriptor) { return arrival }
        before.append(contentsOf: room[..<count])
        return .part(.parameters(before))
    }

    /// So many bytes of the memory have come. nil when they are not enough.
    /// - Parameter descriptor: where more may be taken from.
    private func look(at count: Int, from descriptor: CInt?) throws(Fault) -> Arrival? {
        let bytes = UnsafeRawBufferPointer(rebasing: memory[..<count])
        switch try RequestScan.look(at: bytes, limits: limits) {
        case .incomplete: return nil
        case .request(let scan): return try begin(scan, bytes, from: descriptor)
        case .interrupted: return try sift(count, from: descriptor)
        }
    }

    private func sift(_ count: Int, from descriptor: CInt?) throws(Fault) -> Arrival? {
        var sieve = RecordSieve(limits: limits)
        let left = try sieve.sift(UnsafeMutableRawBufferPointer(rebasing: memory[..<count]))
        let rest: Partial? = left > 0 ? .parameters(Array(memory[..<left])) : nil
        if !sieve.replies.isEmpty { return .replies(Replies(records: sieve.replies, isLast: sieve.isLast, rest: rest)) }
        guard let rest else { return .nothing }
        return left < count ? try look(at: left, from: descriptor) ?? .part(rest) : nil
    }

    /// The parameters are whole: is there a body, and who wants it?
    private func begin(_ scan: RequestScan, _ bytes: UnsafeRawBufferPointer, from descriptor: CInt?) throws(Fault) -> Arrival {
        var ahead: [UInt8] = []
        if let end = scan.end, end < bytes.count { ahead = Array(bytes[end...]) }
        let pairs = pairs(of: scan, in: bytes)
        let request = Request(environment: Environment(pairs: pairs), body: .none)
        let length = max(request.contentLength, scan.inputLength)
        guard length > 0 || !scan.isWhole else { return whole(request, scan, ahead: ahead) }
        switch bodyPolicy(request) {
        case .ignore:
            return whole(Request(environment: Environment(pairs: pairs), body: .ignored), scan, hasMore: !scan.isWhole, ahead: ahead)
        case .read(let limit) where length > limit: return tooLarge(pairs, scan, hasMore: !scan.isWhole, ahead: ahead)
        case .read(let limit):
            let pairs = Array(pairs)
            var input = StandardInput(request: scan.request, limits, limit: limit, expecting: length)
            let progress = try input.feed(UnsafeRawBufferPointer(rebasing: bytes[scan.parametersEnd...]))
            return try readBody(from: descriptor, input, scan, pairs, progress)
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
        from descriptor: CInt?, _ input: consuming StandardInput, _ scan: RequestScan, _ pairs: [UInt8],
        _ first: StandardInput.Progress? = nil
    ) throws(Fault) -> Arrival {
        var input = input
        var progress = first
        if progress == nil { progress = try input.feed(UnsafeRawBufferPointer(start: nil, count: 0)) }
        while true {
            switch progress {
            case .overLimit: return tooLarge(lay(pairs), scan, hasMore: true, ahead: [])
            case .aborted: return replies(input.takeReplies(), isLast: !scan.isKept, behind: input.ahead)
            case .complete, .wants, nil: break
            }
            let said = input.takeReplies()
            if !said.isEmpty { return .replies(Replies(records: said, isLast: false, rest: .body(input, scan, pairs: pairs))) }
            guard case .wants(let wanted) = progress else { return complete(pairs, input, scan) }
            guard let descriptor else { return .part(.body(input, scan, pairs: pairs)) }
            let count = receive(descriptor, into: UnsafeMutableRawBufferPointer(rebasing: memory[..<min(wanted, memory.count)]))
            guard count > 0 else {
                guard count < 0, Self.isJustEmpty else { return .end(nil) }
                return .part(.body(input, scan, pairs: pairs))
            }
            progress = try input.feed(UnsafeRawBufferPointer(rebasing: memory[..<count]))
        }
    }

    private func complete(_ pairs: [UInt8], _ input: StandardInput, _ scan: RequestScan) -> Arrival {
        let body = input.content.isEmpty ? Body.none : .bytes(input.content)
        return whole(Request(environment: Environment(pairs: lay(pairs)), body: body), scan, ahead: input.ahead)
    }

    private func tooLarge(_ pairs: UnsafeRawBufferPointer, _ scan: RequestScan, hasMore: Bool, ahead: [UInt8]) -> Arrival {
        whole(Request(environment: Environment(pairs: pairs), body: .tooLarge), scan, hasMore: hasMore, ahead: ahead)
    }

    private func whole(_ request: Request, _ scan: RequestScan, hasMore: Bool = false, ahead: [UInt8]) -> Arrival {
        if !ahead.isEmpty, let rest = Self.aborted(scan, ahead) {
            var end: [UInt8] = []
            end.append(record: FCGI_EndRequestRecord(scan.request, FCGI_REQUEST_COMPLETE))
            return replies(end, isLast: !scan.isKept, behind: rest)
        }
        return .request(Whole(request: request, id: scan.request, isKept: scan.isKept, hasMore: hasMore, ahead: ahead))
    }

    /// What is left of the bytes behind a request when they begin with its end by the web server.
    private static func aborted(_ scan: RequestScan, _ ahead: [UInt8]) -> [UInt8]? {
        guard ahead.count >= RecordHeader.headerLength else { return nil }
        let header = ahead.withUnsafeBytes { RecordHeader($0, at: 0) }
        guard header.belongs(to: scan.request, as: RecordHeader.abortRequest), ahead.count >= header.recordLength else { return nil }
        return Array(ahead[header.recordLength...])
    }

    private func replies(_ records: [UInt8], isLast: Bool, behind rest: [UInt8]) -> Arrival {
        .replies(Replies(records: records, isLast: isLast, rest: rest.isEmpty ? nil : .parameters(rest)))
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
        /// Not at the end yet. So many bytes still belong to this request, or to what interrupts it.
        case wants(Int)
        case complete
        /// The content is longer than the limit.
        case overLimit
        /// The web server wants no answer any more.
        case aborted
    }

    private(set) var content: [UInt8] = []
    /// What came behind the end of the input.
    private(set) var ahead: [UInt8] = []
    private let request: UInt16
    private let limits: Limits
    private let limit: Int
    private var header: [UInt8] = []
    private var contentLeft = 0
    private var paddingLeft = 0
    private var isEnding = false
    /// The record under way, when it is not one of the input's, and what has come of its content.
    private var interruption: (record: Interruption, content: [UInt8])?
    private var replies: [UInt8] = []

    init(request: UInt16, _ limits: Limits, limit: Int, expecting length: Int) {
        self.request = request
        self.limits = limits
        self.limit = limit
        content.reserveCapacity(min(length, limit))
        header.reserveCapacity(RecordHeader.headerLength)
    }

    /// The records that are to be said to what interrupted the input since the last call.
    mutating func takeReplies() -> [UInt8] {
        defer { replies = [] }
        return replies
    }

    /// Takes the next bytes. After `overLimit` or `aborted` it must not be fed again, after `complete` with nothing alone.
    mutating func feed(_ bytes: UnsafeRawBufferPointer) throws(Fault) -> Progress {
        var rest = bytes[...]
        while true {
            if contentLeft > 0, !takeContent(&rest) { return .overLimit }
            if contentLeft == 0, paddingLeft > 0 {
                let count = min(paddingLeft, rest.count)
                paddingLeft -= count
                rest = rest.dropFirst(count)
            }
            if contentLeft + paddingLeft == 0 {
                if let (record, content) = interruption {
                    interruption = nil
                    replies += try record.answer(to: content, limits)
                    if record.kind == .abort { return end(.aborted, rest) }
                }
                if isEnding { return end(.complete, rest) }
            }
            if rest.isEmpty { return .wants(wanted) }
            if contentLeft + paddingLeft == 0 { try takeHeader(&rest) }
        }
    }

    private mutating func end(_ progress: Progress, _ rest: Slice<UnsafeRawBufferPointer>) -> Progress {
        ahead.append(contentsOf: rest)
        return progress
    }

    /// False when there is more of it than anybody wants.
    private mutating func takeContent(_ rest: inout Slice<UnsafeRawBufferPointer>) -> Bool {
        let count = min(contentLeft, rest.count)
        if interruption != nil {
            interruption?.content.append(contentsOf: rest.prefix(count))
        } else {
            // By what the record announces, so that it is the same in whatever pieces it comes.
            guard content.count + contentLeft <= limit else { return false }
            content.append(contentsOf: rest.prefix(count))
        }
        contentLeft -= count
        rest = rest.dropFirst(count)
        return true
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
        header.removeAll(keepingCapacity: true)
        contentLeft = record.contentLength
        paddingLeft = record.paddingLength
        if record.belongs(to: request, as: RecordHeader.standardInput) {
            isEnding = record.contentLength == 0
        } else {
            interruption = (try Interruption(record, during: request), [])
        }
    }
}
