import CLibHiredis
import RESP

@testable import Caching

/// Replies of DragonflyDB. The first byte says how they are cut: in any pieces they are read as in one.
@Sendable func fuzzRESP(_ bytes: [UInt8]) {
    var choices = Choices(bytes)
    let piece = 1 + Int(choices.next()) % 40
    let replies = Array(choices.rest)
    let whole = channel(replies, piece: replies.count)
    expect(whole == channel(replies, piece: piece), "pieces are read as the whole is")
    _ = exchange(replies, piece: piece)
    sealed(replies, piece: piece)
}

/// What a channel of GETs makes of them (`RedisPipeline`).
private func channel(_ bytes: [UInt8], piece: Int) -> [String] {
    var read: [String] = []
    feed(bytes, piece: piece, StoredCopyReply.functions) { object in
        switch StoredCopyReply.take(object) {
        case nil: read.append("none")
        case .copy(let copy): read.append("copy \(copy.entry.version) \(copy.entry.value.count)")
        case .foreign: read.append("foreign")
        case .error(let text): read.append("error \(text) \(StoreFault(reply: text))")
        }
    } broken: {
        read.append("broken")
    }
    return read
}

/// What an exchange makes of them (`RedisConnection`); how many.
private func exchange(_ bytes: [UInt8], piece: Int) -> Int {
    var count = 0
    feed(bytes, piece: piece, nil) { object in
        defer { freeReplyObject(object) }
        count += 1
        look(at: RedisReply(object.assumingMemoryBound(to: redisReply.self)))
    } broken: {
    }
    return count
}

private func look(at reply: RedisReply) {
    switch reply {
    case .bytes(let bytes): _ = StoredCopy(bytes)
    case .error(let text): _ = StoreFault(reply: text)
    case .array(let items): for item in items { if let item { look(at: RedisReply(item)) } }
    case .status, .integer, .none: break
    }
}

/// A value that is a copy reads as that copy, whatever it holds and however it is cut.
private func sealed(_ value: [UInt8], piece: Int) {
    let entry = Entry(value: value, version: 7, storedAt: 1, expiresAt: 2)
    var bytes: [UInt8] = []
    StoredCopy(entry: entry, epoch: 3, copyEpoch: 4, key: 5).append(to: &bytes)
    let reply = Array("$\(bytes.count)\r\n".utf8) + bytes + Array("\r\n".utf8)
    expect(channel(reply + Array("$-1\r\n".utf8), piece: piece) == ["copy 7 \(value.count)", "none"], "a copy is read")
}

private func feed(
    _ bytes: [UInt8], piece: Int, _ functions: UnsafeMutablePointer<redisReplyObjectFunctions>?, each: (UnsafeMutableRawPointer) -> Void,
    broken: () -> Void
) {
    guard let reader = functions == nil ? redisReaderCreate() : redisReaderCreateWithFunctions(functions) else { return }
    defer { redisReaderFree(reader) }
    for start in stride(from: 0, to: bytes.count, by: max(1, piece)) {
        let part = bytes[start..<min(start + piece, bytes.count)].map(CChar.init(bitPattern:))
        guard redisReaderFeed(reader, part, part.count) == REDIS_OK else { return broken() }
        while true {
            var object: UnsafeMutableRawPointer?
            guard redisReaderGetReply(reader, &object) == REDIS_OK else { return broken() }
            guard let object else { break }
            each(object)
        }
    }
}
