import CLibHiredis

/// A reply to a GET, read where hiredis has it: straight from its buffer into the copy, without a `redisReply` between them.
final class CopyReply {
    enum Content {
        case copy(Copy)
        /// A value of another kind or shape, which is as good as none.
        case foreign
        case error(String)
    }

    let content: Content

    private init(_ content: Content) { self.content = content }

    /// nil in place of a reply means that there is no value.
    static func take(_ object: UnsafeMutableRawPointer) -> Content? {
        if let kind = kind(object) { return kind == REDIS_REPLY_NIL ? nil : .foreign }
        return Unmanaged<CopyReply>.fromOpaque(object).takeRetainedValue().content
    }

    /// Where no function makes an object, hiredis hands out its kind as a pointer (read.c, processLineItem).
    private static func kind(_ object: UnsafeMutableRawPointer) -> CInt? {
        let bits = Int(bitPattern: object)
        return bits < 64 ? CInt(bits) : nil
    }

    /// What hiredis is to make of replies (read.h, redisReplyObjectFunctions).
    ///
    /// `nonisolated(unsafe)`: written once, here, and only read after that.
    nonisolated(unsafe) static let functions: UnsafeMutablePointer<redisReplyObjectFunctions> = {
        let functions = UnsafeMutablePointer<redisReplyObjectFunctions>.allocate(capacity: 1)
        functions.initialize(to: redisReplyObjectFunctions())
        functions.pointee.createString = { task, text, length in
            let bytes = UnsafeRawBufferPointer(start: text, count: Int(length))
            let content: Content =
                switch task?.pointee.type {
                case REDIS_REPLY_ERROR: .error(String(decoding: bytes, as: UTF8.self))
                case REDIS_REPLY_STRING: Copy(bytes).map { .copy($0) } ?? .foreign
                default: .foreign
                }
            return Unmanaged.passRetained(CopyReply(content)).toOpaque()
        }
        functions.pointee.freeObject = { object in
            guard let object, CopyReply.kind(object) == nil else { return }
            Unmanaged<CopyReply>.fromOpaque(object).release()
        }
        return functions
    }()
}
