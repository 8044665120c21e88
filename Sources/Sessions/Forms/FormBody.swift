/// A request's body as it came.
public struct FormBody: Sendable {
    public var bytes: [UInt8]
    /// CONTENT_TYPE.
    public var contentType: String?

    public init(bytes: [UInt8] = [], contentType: String? = nil) {
        self.bytes = bytes
        self.contentType = contentType
    }

    /// The type without parameters, in lower case.
    var mediaType: String {
        let type = (contentType ?? "").split(separator: ";", maxSplits: 1, omittingEmptySubsequences: false).first ?? ""
        return type.lowercased().filter { $0 != " " && $0 != "\t" }
    }

    /// The `charset` parameter, in lower case.
    var charset: String? {
        for parameter in (contentType ?? "").lowercased().split(separator: ";").dropFirst() {
            let parts = parameter.split(separator: "=", maxSplits: 1).map { $0.filter { $0 != " " && $0 != "\"" } }
            if parts.count == 2, parts[0] == "charset" { return parts[1] }
        }
        return nil
    }

    private var isJSON: Bool {
        mediaType == "application/json" || (mediaType.hasPrefix("application/") && mediaType.hasSuffix("+json"))
    }

    /// The members as swingmusic reads them: what is missing, malformed, empty or of another type is `{}`, and a JSON string is parsed
    /// once more.
    /// - Parameter model: the name that swingmusic gives the form in its errors.
    func fields(of model: String) -> Result<JSONValue, FormFault> {
        var value = JSONValue.object([])
        if isJSON, let read = try? JSONReader.read(bytes), read.isTruthy { value = read }
        var wasText = false
        if case .string(let text) = value {
            wasText = true
            do throws(JSONFault) { value = try JSONReader.read(text) } catch { return .failure(FormFault([.notJSON(text, error)])) }
        }
        guard value.members != nil else { return .failure(FormFault([.notObject(value, model: model, wasText: wasText)])) }
        return .success(value.withoutDuplicates)
    }
}

/// What is wrong with a form.
struct FormFault: Error, Equatable {
    var answer: Answer

    init(_ errors: [FieldError]) { answer = FieldError.answer(errors) }
    init(message: String) { answer = .message(message, status: 422) }
}
