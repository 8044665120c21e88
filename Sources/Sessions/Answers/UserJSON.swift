extension User {
    /// The body of `/auth/user`.
    var json: JSONValue {
        .object([
            JSONMember("extra", extraValue), JSONMember("id", .integer(id)), JSONMember("image", image.map(JSONValue.string) ?? .null),
            JSONMember("roles", rolesValue), JSONMember("username", .string(name)),
        ])
    }

    /// With the first name alone; nil where swingmusic fails: extra without one.
    var simplifiedJSON: JSONValue? {
        let firstName: JSONValue
        if extraValue.isTruthy {
            guard let name = extraValue["firstname"] else { return nil }
            firstName = name
        } else {
            firstName = .string("")
        }
        return .object([JSONMember("firstname", firstName), JSONMember("id", .integer(id)), JSONMember("username", .string(name))])
    }
}
