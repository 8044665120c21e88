/// One entry of the lists that swingmusic answers 422 with (pydantic 2.13).
struct FieldError: Equatable {
    var type: String
    var location: [JSONValue]
    var message: String
    var input: JSONValue
    var context: [JSONMember] = []

    static func answer(_ errors: [FieldError]) -> Answer {
        Answer(status: 422, body: JSONWriter(escapesNonASCII: false).write(.array(errors.map(\.json))))
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
