/// The bytes of FastCGI records (FastCGI Specification 1.0), right or wrong as a test asks for.
enum Wire {
    static func record(
        _ type: UInt8, _ content: [UInt8] = [], id: UInt16 = 1, padding: Int = 0, version: UInt8 = 1
    ) -> [UInt8] {
        [version, type, UInt8(id >> 8), UInt8(id & 0xff), UInt8(content.count >> 8), UInt8(content.count & 0xff), UInt8(padding), 0]
            + content + [UInt8](repeating: 0, count: padding)
    }

    static func begin(role: UInt16 = 1, keep: Bool = true, id: UInt16 = 1) -> [UInt8] {
        record(1, [UInt8(role >> 8), UInt8(role & 0xff), keep ? 1 : 0, 0, 0, 0, 0, 0], id: id)
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

    /// A stream of records with at most so many bytes each, and the empty one that ends it.
    static func stream(_ type: UInt8, _ content: [UInt8], id: UInt16 = 1, chunk: Int = 65535, padding: Int = 0) -> [UInt8] {
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
        return begin(keep: keep, id: id) + stream(4, pairs(parameters + length), id: id, chunk: chunk, padding: padding)
            + stream(5, body, id: id, chunk: chunk, padding: padding)
    }
}
