import FoundationEssentials

/// The error objects of the Web API (`{"error":{"status","message","reason"}}`) and of the accounts service
/// (`{"error":"invalid_client","error_description":"..."}`).
struct ErrorBody: Decodable {
    private struct Detail: Decodable {
        var message: String?
        var reason: String?
    }
    private enum CodingKeys: String, CodingKey {
        case error
        case description = "error_description"
    }

    let message: String
    let reason: String?
    /// The accounts service's code, such as `invalid_client`.
    let code: String?

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        if let detail = try? fields.decode(Detail.self, forKey: .error) {
            (message, reason, code) = (detail.message ?? "", detail.reason, nil)
        } else {
            code = try fields.decode(String.self, forKey: .error)
            message = try fields.decodeIfPresent(String.self, forKey: .description) ?? ""
            reason = nil
        }
    }

    /// The error that a body holds; nil when it has neither form.
    init?(_ body: [UInt8]) {
        guard let read = try? JSONDecoder().decode(ErrorBody.self, from: Data(body)) else { return nil }
        self = read
    }

    /// The words of an answer that is no 200, fit for a log and an error text: a line of at most 200 characters.
    static func words(in body: [UInt8], status: Int) -> String {
        let text = ErrorBody(body)?.message ?? String(decoding: body.prefix(400), as: UTF8.self)
        let line = String(text.map { $0.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control } ? $0 : " " }.prefix(200))
        return line.allSatisfy(\.isWhitespace) ? "status \(status)" : line
    }
}
