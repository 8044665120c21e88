import Platform
import JSON

/// The body of the routes that change or make a user.
struct ProfileForm: Equatable {
    /// 0: oneself.
    var id: Int64 = 0
    var name = ""
    var password = ""
    var roles: [String]?

    private static let user = FormField("id", .integer), name = FormField("username", .text), password = FormField("password", .text)
    private static let roles = FormField("roles", .texts)
    /// swingmusic has one for the email and does nothing with it.
    static let fields = [user, name, password, roles, FormField("email", .text)]

    static func read(_ body: FormBody) -> Result<ProfileForm, FormFault> {
        StrictBody.fields(body, known: fields).map { fields in
            var form = ProfileForm()
            form.id = fields[user.name]?.pythonInteger ?? 0
            form.name = fields[name.name]?.text ?? ""
            form.password = fields[password.name]?.text ?? ""
            if case .array(let texts) = fields[roles.name] { form.roles = texts.compactMap(\.text) }
            return form
        }
    }
}

/// The body of the route that deletes a user.
struct DeletionForm: Equatable {
    var name: String

    private static let name = FormField("username", .text, isRequired: true)
    static let fields = [name]

    static func read(_ body: FormBody) -> Result<DeletionForm, FormFault> {
        StrictBody.fields(body, known: fields).map { DeletionForm(name: $0[name.name]?.text ?? "") }
    }
}

/// Bodies that are checked here and read by swingmusic afterwards: nothing in them may be readable in two ways, such as a text that ends at a
/// NUL for some and goes on for others.
enum StrictBody {
    /// - Parameter known: the fields that may occur.
    static func fields(_ body: FormBody, known: [FormField]) -> Result<JSONValue, FormFault> {
        guard body.mediaType == "application/json", body.charset ?? "utf-8" == "utf-8" else {
            return .failure(FormFault(message: "Content-Type must be application/json"))
        }
        let value: JSONValue
        do throws(JSONFault) {
            value = try JSONValue(reading: body.bytes, .pythonWithoutDuplicates)
        } catch {
            let reason = error.reason == .duplicateName ? "A field occurs twice" : "Not JSON in UTF-8"
            return .failure(FormFault(message: reason))
        }
        guard let members = value.members else { return .failure(FormFault(message: "The body must be a JSON object")) }
        let errors = members.flatMap { member in
            guard let field = known.first(where: { $0.name.isSpelled(member.name) }) else {
                return [FieldError.unknown(member.name, member.value)]
            }
            return check(member, field.kind)
        }
        guard errors.isEmpty else { return .failure(FormFault(errors)) }
        let missing = known.filter { $0.isRequired && value[$0.name] == nil }
        return missing.isEmpty ? .success(value) : .failure(FormFault(missing.map { .missing($0.name, in: value) }))
    }

    private static func check(_ member: JSONMember, _ kind: FormField.Kind) -> [FieldError] {
        switch (kind, member.value) {
        case (.text, .string(let text)): return text.utf8.contains(0) ? [.withNUL([.string(member.name)], member.value)] : []
        case (.text, let value): return [.notText([.string(member.name)], value)]
        case (.integer, .number(let text)) where Int64(text) != nil: return []
        case (.integer, let value): return [.notInteger(member.name, value)]
        case (.texts, .array(let items)):
            return items.enumerated().compactMap { index, item in
                let location = [JSONValue.string(member.name), .integer(Int64(index))]
                guard let text = item.text else { return .notText(location, item) }
                return text.utf8.contains(0) ? .withNUL(location, item) : nil
            }
        case (.texts, let value): return [.notList(member.name, value)]
        }
    }
}
