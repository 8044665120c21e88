/// An answer: a status, rendered header lines and a body. `Status` and `Content-Length` are written by the event loop.
public struct Response: Sendable {
    public var status: Int
    /// Rendered header lines, each ending in CR LF, without Status and Content-Length.
    public private(set) var head: [UInt8]
    public var body: ArraySlice<UInt8>
    /// The body is not sent, but its length is announced: for HEAD. (204 and 304 have neither, whatever this says: RFC 9110 section 8.6.)
    public var omitsBody = false
    /// The application's own remark on the answer, for whoever observes answers. It is never sent.
    public var note = 0

    public init(status: Int, contentType: String? = nil, body: [UInt8] = []) {
        self.init(status: status, contentType: contentType, body: body[...])
    }

    /// A body that is a part of what somebody keeps, without a copy.
    public init(status: Int, contentType: String? = nil, body: ArraySlice<UInt8>) {
        self.status = status
        self.body = body
        head = []
        if let contentType { add("Content-Type", contentType) }
    }

    /// Adds whole lines that the program's own text has, each with its CR LF: they need no look.
    public mutating func add(lines: StaticString) {
        if head.isEmpty { head.reserveCapacity(256) }
        head.append(lines)
    }

    /// As `add(lines:)`, for lines that have numbers of the program's own in them.
    public mutating func add(writing write: (inout [UInt8]) -> Void) {
        if head.isEmpty { head.reserveCapacity(256) }
        write(&head)
    }

    /// Adds a header line. A value with a control byte (CR, LF, NUL and the others) would be an injection: the line is dropped.
    public mutating func add(_ name: StaticString, _ value: String) {
        var value = value
        value.withUTF8 { add(name, $0) }
    }

    /// As `add(_:_:)`, for a value that is appended to the head where it belongs, without a copy.
    public mutating func add(_ name: StaticString, writing write: (inout [UInt8]) -> Void) {
        let start = head.count
        if start == 0 { head.reserveCapacity(256) }
        head.append(name)
        head.append(": ")
        let value = head.count
        write(&head)
        guard head.count >= value, Self.isClean(head, from: value) else { return head.removeSubrange(start...) }
        head.append("\r\n")
    }

    private mutating func add(_ name: StaticString, _ value: UnsafeBufferPointer<UInt8>) {
        add(name) { $0.append(contentsOf: value) }
    }

    private static func isClean(_ head: [UInt8], from start: Int) -> Bool {
        head.withUnsafeBytes { bytes in
            var at = start
            // Eight bytes at a time, as long as none of them needs a closer look (Mycroft's test for a zero byte).
            while at + 8 <= bytes.count {
                let word = bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)
                let delete = word ^ 0x7f7f_7f7f_7f7f_7f7f
                let low = (word &- 0x2020_2020_2020_2020) & ~word | (delete &- 0x0101_0101_0101_0101) & ~delete
                guard low & 0x8080_8080_8080_8080 == 0 else { break }
                at += 8
            }
            while at < bytes.count {
                let byte = bytes[at]
                if byte < 0x20 && byte != 0x09 || byte == 0x7f { return false }
                at += 1
            }
            return true
        }
    }

    /// The first value of a header by its name in any case, for tests.
    public func header(_ name: String) -> String? {
        for line in head.split(separator: 0x0a) {
            guard let colon = line.firstIndex(of: 0x3a) else { continue }
            guard String(decoding: line[..<colon], as: UTF8.self).lowercased() == name.lowercased() else { continue }
            return String(decoding: line[(colon + 2)...].dropLast(), as: UTF8.self)
        }
        return nil
    }

    /// Neither a body nor a Content-Length belongs to 1xx, 204 and 304 (RFC 9110 section 8.6).
    private var allowsBody: Bool { status >= 200 && status != 204 && status != 304 }

    var sendsBody: Bool { allowsBody && !omitsBody }

    /// Status line, head and length (RFC 3875 section 6).
    func appendHead(to bytes: inout [UInt8]) {
        bytes.append("Status: ")
        bytes.append(decimal: max(100, min(status, 999)))
        bytes.append(reason)
        bytes.append("\r\n")
        bytes.append(contentsOf: head)
        if allowsBody {
            bytes.append("Content-Length: ")
            bytes.append(decimal: body.count)
            bytes.append("\r\n")
        }
        bytes.append("\r\n")
    }

    /// A space and the reason phrase of the codes an application is likely to use: nginx repeats the Status line as it is.
    private var reason: StaticString {
        switch status {
        case 200: " OK"
        case 201: " Created"
        case 202: " Accepted"
        case 204: " No Content"
        case 301: " Moved Permanently"
        case 302: " Found"
        case 303: " See Other"
        case 304: " Not Modified"
        case 307: " Temporary Redirect"
        case 308: " Permanent Redirect"
        case 400: " Bad Request"
        case 401: " Unauthorized"
        case 403: " Forbidden"
        case 404: " Not Found"
        case 405: " Method Not Allowed"
        case 409: " Conflict"
        case 413: " Content Too Large"
        case 415: " Unsupported Media Type"
        case 422: " Unprocessable Content"
        case 429: " Too Many Requests"
        case 500: " Internal Server Error"
        case 501: " Not Implemented"
        case 502: " Bad Gateway"
        case 503: " Service Unavailable"
        case 504: " Gateway Timeout"
        default: ""
        }
    }
}

/// Text for header lines, put together without a `String`.
extension [UInt8] {
    package mutating func append(_ text: StaticString) {
        text.withUTF8Buffer { append(contentsOf: $0) }
    }

    /// Decimal digits, with a minus before them perhaps.
    package mutating func append(decimal number: Int) {
        if number < 0 { append(UInt8(ascii: "-")) }
        var divisor: UInt = 1
        while number.magnitude / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            append(UInt8(ascii: "0") + UInt8(number.magnitude / divisor % 10))
            divisor /= 10
        }
    }
}
