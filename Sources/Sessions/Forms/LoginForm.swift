/// The body of `POST /auth/login`.
struct LoginForm: Equatable {
    var name: String
    var password: String

    static func read(_ body: FormBody) -> Result<LoginForm, FormFault> {
        body.fields(of: "LoginBody").flatMap { fields in
            var errors: [FieldError] = []
            let name = text("username", in: fields, &errors)
            let password = text("password", in: fields, &errors)
            guard let name, let password else { return .failure(FormFault(errors)) }
            return .success(LoginForm(name: name, password: password))
        }
    }

    private static func text(_ field: String, in fields: JSONValue, _ errors: inout [FieldError]) -> String? {
        guard let value = fields[field] else {
            errors.append(.missing(field, in: fields))
            return nil
        }
        guard let text = value.text else {
            errors.append(.notText([.string(field)], value))
            return nil
        }
        return text
    }
}
