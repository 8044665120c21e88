import CLibHiredis
import Glibc
import Platform

/// Where a server of the protocol is, and how long one connect or exchange may take.
public struct RedisEndpoint: Sendable, Equatable {
    /// A host name or address, or `unix:` and a socket's path.
    public var host: String
    public var port: UInt16
    public var database: Int
    public var password: String?
    public var timeout: Duration

    public init(host: String, port: UInt16 = 6379, database: Int = 0, password: String? = nil, timeout: Duration = .milliseconds(250)) {
        self.host = host
        self.port = port
        self.database = database
        self.password = password
        self.timeout = timeout
    }
}

/// One connection to a server of the protocol. hiredis makes it and reads its replies; what waits, waits here, against one deadline
/// for a whole exchange, whatever the peer drips.
public final class RedisConnection: @unchecked Sendable {
    // One borrower at a time: the pool hands it out and takes it back. (In a pipeline one thread sends and one receives: these touch
    // nothing in common but the descriptor.)
    private let context: UnsafeMutablePointer<redisContext>
    private let incoming: UnsafeMutableRawPointer
    private static let incomingBytes = 32768
    private let timeout: Duration
    /// Within so long of an exchange's beginning its waits are the socket's own.
    private let eagerTime: Duration
    private var lastUsed: MonotonicTime
    private let longestReply: Int
    /// Tells connections of one opening from those of another; as given to `init`.
    public let batch: Int

    /// Connects, gives the password, selects the database and waits for PONG. Looks a host's name up, so: only on a thread that may wait.
    ///
    /// - Parameter longestReply: so many bytes one reply may have; more is not read.
    public init(_ endpoint: RedisEndpoint, batch: Int = 0, longestReply: Int) throws(StoreFault) {
        timeout = endpoint.timeout
        eagerTime = timeout / 8
        self.longestReply = longestReply
        self.batch = batch
        guard let context = Self.connect(endpoint) else { throw .unreachable("out of memory") }
        self.context = context
        incoming = .allocate(byteCount: Self.incomingBytes, alignment: 16)
        lastUsed = SystemClock().monotonic
        guard context.pointee.err == 0 else {
            let reason = withUnsafeBytes(of: context.pointee.errstr) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            throw .unreachable(reason)
        }
        prepare()
        try greet(endpoint)
    }

    deinit {
        redisFree(context)
        incoming.deallocate()
    }

    private static func connect(_ endpoint: RedisEndpoint) -> UnsafeMutablePointer<redisContext>? {
        let limit = timeval(endpoint.timeout)
        guard endpoint.host.hasPrefix("unix:") else {
            return redisConnectWithTimeout(endpoint.host, CInt(endpoint.port), limit)
        }
        return redisConnectUnixWithTimeout(String(endpoint.host.dropFirst(5)), limit)
    }

    private func prepare() {
        let descriptor = context.pointee.fd
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        var limit = timeval(timeout)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    private func greet(_ endpoint: RedisEndpoint) throws(StoreFault) {
        var commands = CommandBuffer()
        if let password = endpoint.password {
            commands.begin(2)
            commands.part("AUTH")
            commands.part(Array(password.utf8))
        }
        if endpoint.database != 0 {
            commands.begin(2)
            commands.part("SELECT")
            commands.part(Int64(endpoint.database))
        }
        commands.command("PING")
        try exchange(commands) { (_, reply) throws(StoreFault) in
            guard case .error(let text) = reply else { return }
            // A password that nobody asked for: Redis says so, DragonflyDB takes it.
            if text.hasPrefix("ERR AUTH <password> called without any password") { return }
            if text.hasPrefix("ERR Client sent AUTH") { return }
            throw StoreFault(reply: Self.withoutPassword(text, endpoint.password))
        }
    }

    /// A server that does not know AUTH repeats what came with it.
    private static func withoutPassword(_ text: String, _ password: String?) -> String {
        let told = text.firstRange(of: ", with args").map { String(text[..<$0.lowerBound]) } ?? text
        return password.map { $0.isEmpty ? told : told.replacing($0, with: "…") } ?? told
    }

    /// Whether the peer has hung up, or said something unasked, while nobody used the connection. Asks the kernel only
    /// after a second of rest.
    public var isStale: Bool {
        guard SystemClock().monotonic - lastUsed > .seconds(1) else { return false }
        var byte: UInt8 = 0
        let count = recv(context.pointee.fd, &byte, 1, CInt(MSG_PEEK) | CInt(MSG_DONTWAIT))
        return !(count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
    }

    /// Sends the commands and hands over as many replies, in order, within one deadline (nil: the configured time from
    /// now). After a throw the connection is of no use any more.
    ///
    /// - Parameter isFollowed: more may come right behind the replies. Else that is a fault.
    public func exchange(
        _ commands: CommandBuffer, deadline: MonotonicTime? = nil, isFollowed: Bool = false,
        each: (Int, RedisReply) throws(StoreFault) -> Void
    ) throws(StoreFault) {
        let begin = SystemClock().monotonic
        // The socket's own wait is as long as the configured time: too long where the caller's deadline is nearer.
        let eagerEnd = deadline == nil ? begin + eagerTime : begin
        let deadline = deadline ?? begin + timeout
        try send(commands.bytes, deadline)
        let most = commands.count * (longestReply)
        var received = 0
        var answered = 0
        while answered < commands.count {
            var object: UnsafeMutableRawPointer?
            guard redisReaderGetReply(context.pointee.reader, &object) == REDIS_OK else { throw brokenProtocol() }
            if let object {
                defer { freeReplyObject(object) }
                try each(answered, RedisReply(object.assumingMemoryBound(to: redisReply.self)))
                answered += 1
            } else {
                received += try receive(eagerEnd, deadline)
                guard received <= most else { throw .foreign("an answer that does not end") }
            }
        }
        guard let reader = context.pointee.reader, isFollowed || reader.pointee.pos == reader.pointee.len else {
            throw .foreign("an answer nobody asked for")
        }
        lastUsed = SystemClock().monotonic
    }

    // MARK: In a pipeline

    public var descriptor: CInt { context.pointee.fd }

    /// From now on replies become what these functions make of them, for `receiveAtOnce`; `exchange` is of no use any more.
    public func becomePipeline(_ functions: UnsafeMutablePointer<redisReplyObjectFunctions>) {
        context.pointee.reader.pointee.fn = functions
    }

    /// Whether the socket took all of it.
    public func sendAtOnce(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes {
            Glibc.send(context.pointee.fd, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT)) == $0.count
        }
    }

    /// Reads once what is there, and hands over the replies that are whole, as the functions of `becomePipeline` made them.
    public func receiveAtOnce(each: (UnsafeMutableRawPointer) throws(StoreFault) -> Void) throws(StoreFault) {
        let count = recv(context.pointee.fd, incoming, Self.incomingBytes, CInt(MSG_DONTWAIT))
        guard count > 0 else {
            if count == 0 { throw .unreachable("it closed the connection") }
            if errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR { return }
            throw .unreachable(String(cString: strerror(errno)))
        }
        try feed(count)
        while true {
            var object: UnsafeMutableRawPointer?
            guard redisReaderGetReply(context.pointee.reader, &object) == REDIS_OK else { throw brokenProtocol() }
            guard let object else { break }
            try each(object)
        }
        guard let reader = context.pointee.reader, reader.pointee.len - reader.pointee.pos <= longestReply else {
            throw .foreign("an answer that does not end")
        }
    }

    /// Wakes whoever watches the connection: it has ended.
    public func hangUp() { shutdown(context.pointee.fd, CInt(SHUT_RDWR)) }

    private func feed(_ count: Int) throws(StoreFault) {
        let bytes = UnsafePointer(incoming.assumingMemoryBound(to: CChar.self))
        guard redisReaderFeed(context.pointee.reader, bytes, count) == REDIS_OK else { throw brokenProtocol() }
    }

    private func brokenProtocol() -> StoreFault {
        guard let reader = context.pointee.reader else { return .foreign("no answer") }
        let said = withUnsafeBytes(of: reader.pointee.errstr) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return .foreign(said)
    }

    private func send(_ bytes: [UInt8], _ deadline: MonotonicTime) throws(StoreFault) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { bytes in
                Glibc.send(
                    context.pointee.fd, bytes.baseAddress.map { $0 + sent }, bytes.count - sent,
                    CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT))
            }
            if count > 0 {
                sent += count
            } else if errno == EAGAIN || errno == EWOULDBLOCK {
                try wait(for: POLLOUT, deadline)
            } else if errno != EINTR {
                throw .unreachable(String(cString: strerror(errno)))
            }
        }
    }

    /// The first wait of an exchange is the socket's own (one system call instead of two); the others are measured
    /// against the deadline, so that a peer that drips bytes cannot hold anybody for longer.
    private func receive(_ eagerEnd: MonotonicTime, _ deadline: MonotonicTime) throws(StoreFault) -> Int {
        while true {
            if SystemClock().monotonic >= eagerEnd { try wait(for: POLLIN, deadline) }
            let count = recv(context.pointee.fd, incoming, Self.incomingBytes, 0)
            if count > 0 {
                try feed(count)
                return count
            }
            if count == 0 { throw .unreachable("it closed the connection") }
            if errno == EAGAIN || errno == EWOULDBLOCK { throw .silent }
            guard errno == EINTR else { throw .unreachable(String(cString: strerror(errno))) }
        }
    }

    private func wait(for events: CInt, _ deadline: MonotonicTime) throws(StoreFault) {
        while true {
            let now = SystemClock().monotonic
            guard now < deadline else { throw .silent }
            var descriptor = pollfd(fd: context.pointee.fd, events: Int16(events), revents: 0)
            let count = poll(&descriptor, 1, min(deadline - now, .seconds(60)).pollMilliseconds)
            if count > 0 { return }
            if count == 0 { throw .silent }
            guard errno == EINTR else { throw .unreachable(String(cString: strerror(errno))) }
        }
    }
}

extension timeval {
    /// Cut to microseconds.
    fileprivate init(_ length: Duration) {
        let microseconds = Int(max(0, length.wholeNanoseconds) / 1000)
        self.init(tv_sec: microseconds / 1_000_000, tv_usec: microseconds % 1_000_000)
    }
}

/// A reply, valid while its bytes are handed over.
public enum RedisReply {
    case status(String)
    case error(String)
    case integer(Int64)
    case bytes(UnsafeRawBufferPointer)
    case array(UnsafeBufferPointer<UnsafeMutablePointer<redisReply>?>)
    case none

    public init(_ reply: UnsafeMutablePointer<redisReply>) {
        let raw = UnsafeRawBufferPointer(start: reply.pointee.str, count: reply.pointee.str == nil ? 0 : Int(reply.pointee.len))
        switch reply.pointee.type {
        case REDIS_REPLY_STRING: self = .bytes(raw)
        case REDIS_REPLY_STATUS: self = .status(String(decoding: raw, as: UTF8.self))
        case REDIS_REPLY_ERROR: self = .error(String(decoding: raw, as: UTF8.self))
        case REDIS_REPLY_INTEGER: self = .integer(reply.pointee.integer)
        case REDIS_REPLY_ARRAY:
            self = .array(UnsafeBufferPointer(start: reply.pointee.element, count: Int(reply.pointee.elements)))
        default: self = .none
        }
    }
}
