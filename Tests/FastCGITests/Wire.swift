import CLibFCGI

/// The bytes of FastCGI records (FastCGI Specification 1.0), right or wrong as a test asks for.
enum Wire {
    static func record(
        _ type: CInt, _ content: [UInt8] = [], id: UInt16 = 1, padding: Int = 0, version: UInt8 = UInt8(FCGI_VERSION_1)
    ) -> [UInt8] {
        let header = FCGI_Header(
            version: version, type: UInt8(type), requestIdB1: UInt8(id >> 8), requestIdB0: UInt8(id & 0xff),
            contentLengthB1: UInt8(content.count >> 8), contentLengthB0: UInt8(content.count & 0xff), paddingLength: UInt8(padding),
            reserved: 0)
        return withUnsafeBytes(of: header) { Array($0) } + content + [UInt8](repeating: 0, count: padding)
    }

    /// A management record (section 3.3).
    static func management(_ type: CInt, _ content: [UInt8] = [], padding: Int = 0) -> [UInt8] {
        record(type, content, id: UInt16(FCGI_NULL_REQUEST_ID), padding: padding)
    }

    /// FCGI_GET_VALUES.
    static func question(_ names: [String], padding: Int = 0) -> [UInt8] {
        management(FCGI_GET_VALUES, pairs(names.map { ($0, "") }), padding: padding)
    }

    static func begin(role: CInt = FCGI_RESPONDER, keep: Bool = true, id: UInt16 = 1, padding: Int = 0) -> [UInt8] {
        var body = FCGI_BeginRequestBody()
        (body.roleB1, body.roleB0, body.flags) = (UInt8(role >> 8), UInt8(role & 0xff), keep ? UInt8(FCGI_KEEP_CONN) : 0)
        return record(FCGI_BEGIN_REQUEST, withUnsafeBytes(of: body) { Array($0) }, id: id, padding: padding)
    }

    static func length(_ count: Int, long: Bool = false) -> [UInt8] {
        if count < 128, !long { return [UInt8(count)] }
        return [UInt8(count >> 24 & 0x7f | 0x80), UInt8(count >> 16 & 0xff), UInt8(count >> 8 & 0xff), UInt8(count & 0xff)]
    }

    static func pairs(_ parameters: [(String, String)]) -> [UInt8] {
        parameters.flatMap { name, value in
            length(name.utf8.count) + length(value.utf8.count) + Array(name.utf8) + Array(value.utf8)
        }
    }

    /// The name-value pairs in bytes that hold whole ones.
    static func texts(_ pairs: [UInt8]) -> [(String, String)] {
        var rest = pairs[...]
        func takeLength() -> Int {
            guard let first = rest.popFirst() else { return 0 }
            return first < 128 ? Int(first) : (0..<3).reduce(Int(first & 0x7f)) { sum, _ in sum << 8 | Int(rest.popFirst() ?? 0) }
        }
        func take(_ count: Int) -> String {
            defer { rest = rest.dropFirst(count) }
            return String(decoding: rest.prefix(count), as: UTF8.self)
        }
        var texts: [(String, String)] = []
        while !rest.isEmpty {
            let (name, value) = (takeLength(), takeLength())
            texts.append((take(name), take(value)))
        }
        return texts
    }

    /// A stream of records with at most so many bytes each, and the empty one that ends it.
    static func stream(_ type: CInt, _ content: [UInt8], id: UInt16 = 1, chunk: Int = 65535, padding: Int = 0) -> [UInt8] {
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: content.count, by: chunk) {
            bytes += record(type, Array(content[start..<min(start + chunk, content.count)]), id: id, padding: padding)
        }
        return bytes + record(type, id: id, padding: padding)
    }

    static func request(
        _ parameters: [(String, String)], body: [UInt8] = [], keep: Bool = true, id: UInt16 = 1, chunk: Int = 65535, padding: Int = 0
    ) -> [UInt8] {
        let length = body.isEmpty ? [] : [("CONTENT_LENGTH", String(body.count))]
        return begin(keep: keep, id: id) + stream(FCGI_PARAMS, pairs(parameters + length), id: id, chunk: chunk, padding: padding)
            + stream(FCGI_STDIN, body, id: id, chunk: chunk, padding: padding)
    }
}
