/// An answer of a session route, for whoever speaks HTTP to send.
public struct Answer: Sendable, Equatable {
    public var status: Int
    /// JSON.
    public var body: [UInt8]
    /// Values of `Set-Cookie`.
    public var cookies: [String]
    /// Seconds, for `Retry-After`.
    public var retryAfter: Int?

    init(status: Int, body: [UInt8], cookies: [String] = [], retryAfter: Int? = nil) {
        self.status = status
        self.body = body
        self.cookies = cookies
        self.retryAfter = retryAfter
    }

    static func json(_ value: JSONValue, status: Int = 200, cookies: [String] = []) -> Answer {
        Answer(status: status, body: JSONWriter.body(value), cookies: cookies)
    }

    /// `{"msg": text}`.
    public static func message(_ text: String, status: Int, retryAfter: Int? = nil) -> Answer {
        Answer(status: status, body: JSONWriter.body(.object([JSONMember("msg", .string(text))])), retryAfter: retryAfter)
    }

    static func refused(_ refused: Refused) -> Answer {
        message(refused.message, status: refused.status, retryAfter: refused.status == 503 ? 5 : nil)
    }

    static let unavailable = refused(.unavailable)

    func adding(_ cookie: String?) -> Answer {
        guard let cookie else { return self }
        var answer = self
        answer.cookies.append(cookie)
        return answer
    }
}
