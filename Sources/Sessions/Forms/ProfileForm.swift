/// The body of the routes that change or make a user.
struct ProfileForm: Equatable {
    /// 0: oneself.
    var id: Int64 = 0
    var name = ""
    var password = ""
    var roles: [String]?

    static func read(_ body: FormBody) -> Result<ProfileForm, FormFault> {
        StrictBody.fields(
            body, known: [("id", .integer), ("username", .text), ("password", .text), ("roles", .texts), ("email", .text)]
        ).map { fields in
            var form = ProfileForm()
            form.id = fields["id"]?.pythonInteger ?? 0
            form.name = fields["username"]?.text ?? ""
            form.password = fields["password"]?.text ?? ""
            if case .array(let roles) = fields["roles"] { form.roles = roles.compactMap(\.text) }
            return form
        }
    }
}

/// The body of the route that deletes a user.
struct DeletionForm: Equatable {
    var name: String

    static func read(_ body: FormBody) -> Result<DeletionForm, FormFault> {
        StrictBody.fields(body, known: [("username", .text)]).flatMap { fields in
            guard let name = fields["username"]?.text else { return .failure(FormFault([.missing("username", in: fields)])) }
            return .success(DeletionForm(name: name))
        }
    }
}
