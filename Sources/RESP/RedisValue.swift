import CLibHiredis
import Glibc
import Platform

/// A reply that is kept: what a `RedisReply` said, copied.
public indirect enum RedisValue: Sendable, Equatable {
    case bytes([UInt8])
    case integer(Int64)
    case error(String)
    case array([RedisValue])
    case none

    public init(_ reply: RedisReply) {
        switch reply {
        case .bytes(let bytes): self = .bytes([UInt8](bytes))
        case .status(let text): self = .bytes(Array(text.utf8))
        case .error(let text): self = .error(text)
        case .integer(let number): self = .integer(number)
        case .array(let items): self = .array(items.map { $0.map { RedisValue(RedisReply($0)) } ?? .none })
        case .none: self = .none
        }
    }

    /// What is a value or a status; nil for the rest.
    public var text: String? {
        if case .bytes(let bytes) = self { String(decoding: bytes, as: UTF8.self) } else { nil }
    }

    public var items: [RedisValue]? {
        if case .array(let items) = self { items } else { nil }
    }
}

extension RedisConnection {
    /// `exchange`, with all replies kept.
    ///
    /// - Parameter isFollowed: messages of a channel may come right behind, for `messages`.
    public func ask(_ commands: CommandBuffer, isFollowed: Bool = false) throws(StoreFault) -> [RedisValue] {
        var values: [RedisValue] = []
        try exchange(commands, isFollowed: isFollowed) { (_, reply) throws(StoreFault) in values.append(RedisValue(reply)) }
        return values
    }

    /// Waits until something has come that nobody asked for (a message of a channel), at most so long, and answers what has come. After
    /// `SUBSCRIBE` was asked for.
    public func messages(within limit: Duration) throws(StoreFault) -> [RedisValue] {
        var watched = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&watched, 1, limit.pollMilliseconds) > 0 else { return [] }
        var values: [RedisValue] = []
        try receiveAtOnce { object throws(StoreFault) in
            values.append(RedisValue(RedisReply(object.assumingMemoryBound(to: redisReply.self))))
            freeReplyObject(object)
        }
        return values
    }
}
