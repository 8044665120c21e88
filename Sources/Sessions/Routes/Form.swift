import JSON

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
        if isJSON, let read = try? JSONValue(reading: bytes, .python), read.isTruthy { value = read }
        var wasText = false
        if case .string(let text) = value {
            wasText = true
            do throws(JSONFault) { value = try JSONValue(reading: text, .python) } catch {
                return .failure(FormFault([.notJSON(text, error)]))
            }
        }
        guard value.members != nil else { return .failure(FormFault([.notObject(value, model: model, wasText: wasText)])) }
        return .success(value.withoutDuplicates)
    }
}

/// A member of a form: it is read by this, and described from it.
public struct FormField: Sendable, Equatable {
    public enum Kind: Sendable { case text, integer, texts }

    public let name: String
    public let kind: Kind
    public let isRequired: Bool

    init(_ name: String, _ kind: Kind, isRequired: Bool = false) {
        self.name = name
        self.kind = kind
        self.isRequired = isRequired
    }
}

/// What is wrong with a form.
struct FormFault: Error, Equatable {
    var answer: Answer

    init(_ errors: [FieldError]) { answer = FieldError.answer(errors) }
    init(message: String) { answer = .message(message, status: 422) }
}

/// One entry of the lists that swingmusic answers 422 with (pydantic 2.13).
struct FieldError: Equatable {
    var type: String
    var location: [JSONValue]
    var message: String
    var input: JSONValue
    var context: [JSONMember] = []

    static func answer(_ errors: [FieldError]) -> Answer {
        Answer(status: 422, body: JSONWriter.pydantic(.array(errors.map(\.json))))
    }

    private var json: JSONValue {
        var members = [
            JSONMember("type", .string(type)), JSONMember("loc", .array(location)), JSONMember("msg", .string(message)),
            JSONMember("input", input),
        ]
        if !context.isEmpty { members.append(JSONMember("ctx", .object(context))) }
        members.append(JSONMember("url", .string("https://errors.pydantic.dev/2.13/v/\(type)")))
        return .object(members)
    }

    static func missing(_ field: String, in input: JSONValue) -> FieldError {
        FieldError(type: "missing", location: [.string(field)], message: "Field required", input: input)
    }

    static func notText(_ location: [JSONValue], _ input: JSONValue) -> FieldError {
        FieldError(type: "string_type", location: location, message: "Input should be a valid string", input: input)
    }

    /// Some readers of texts stop there: the name would be another one for them.
    static func withNUL(_ location: [JSONValue], _ input: JSONValue) -> FieldError {
        FieldError(type: "value_error", location: location, message: "Value error, a text must not hold a NUL", input: input)
    }

    static func notInteger(_ field: String, _ input: JSONValue) -> FieldError {
        FieldError(type: "int_type", location: [.string(field)], message: "Input should be a valid integer", input: input)
    }

    static func notList(_ field: String, _ input: JSONValue) -> FieldError {
        FieldError(type: "list_type", location: [.string(field)], message: "Input should be a valid list", input: input)
    }

    static func notBoolean(_ field: String, _ input: String) -> FieldError {
        FieldError(
            type: "bool_parsing", location: [.string(field)], message: "Input should be a valid boolean, unable to interpret input",
            input: .string(input))
    }

    static func unknown(_ field: String, _ input: JSONValue) -> FieldError {
        FieldError(type: "extra_forbidden", location: [.string(field)], message: "Extra inputs are not permitted", input: input)
    }

    static func notObject(_ input: JSONValue, model: String, wasText: Bool) -> FieldError {
        FieldError(
            type: "model_type", location: [],
            message: wasText ? "Input should be an object" : "Input should be a valid dictionary or instance of \(model)", input: input,
            context: [JSONMember("class_name", .string(model))])
    }

    static func notJSON(_ text: String, _ fault: JSONFault) -> FieldError {
        let reason = "expected value at line 1 column \(fault.offset + 1)"
        return FieldError(
            type: "json_invalid", location: [], message: "Invalid JSON: \(reason)", input: .string(text),
            context: [JSONMember("error", .string(reason))])
    }
}
