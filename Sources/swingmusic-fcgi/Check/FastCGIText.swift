/// As much of the FastCGI protocol as one question needs (FastCGI specification 1.0, sections 3 to 5).
enum FastCGIText {
    private static let begin: UInt8 = 1
    private static let end: UInt8 = 3
    private static let parameters: UInt8 = 4
    private static let input: UInt8 = 5
    private static let output: UInt8 = 6

    /// A GET; the connection is closed after the answer.
    static func request(_ path: String) -> [UInt8] {
        let pairs = [
            ("REQUEST_METHOD", "GET"), ("DOCUMENT_URI", path), ("QUERY_STRING", ""), ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("REMOTE_ADDR", "127.0.0.1"),
        ]
        let encoded = pairs.flatMap { [UInt8($0.0.utf8.count), UInt8($0.1.utf8.count)] + Array($0.0.utf8) + Array($0.1.utf8) }
        return record(begin, [0, 1, 0, 0, 0, 0, 0, 0]) + record(parameters, encoded) + record(parameters, []) + record(input, [])
    }

    /// The status of an answer; nil when it is none, or is not whole.
    static func status(of answer: [UInt8]) -> Int? {
        var rest = answer[...]
        var text: [UInt8] = []
        while rest.count >= 8 {
            let header = Array(rest.prefix(8))
            let length = Int(header[4]) << 8 | Int(header[5])
            guard header[0] == 1, rest.count >= 8 + length + Int(header[6]) else { return nil }
            if header[1] == output { text += rest.dropFirst(8).prefix(length) }
            if header[1] == end { return status(in: String(decoding: text, as: UTF8.self)) }
            rest = rest.dropFirst(8 + length + Int(header[6]))
        }
        return nil
    }

    /// RFC 3875, 6.3.3: no Status line means 200.
    private static func status(in head: String) -> Int? {
        guard let line = head.split(whereSeparator: \.isNewline).first(where: { $0.hasPrefix("Status:") }) else {
            return head.isEmpty ? nil : 200
        }
        return Int(line.dropFirst(7).drop { $0 == " " }.prefix { $0 != " " })
    }

    private static func record(_ kind: UInt8, _ content: [UInt8]) -> [UInt8] {
        [1, kind, 0, 1, UInt8(content.count >> 8), UInt8(content.count & 255), 0, 0] + content
    }
}
