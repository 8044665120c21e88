import Sessions

/// swingmusic's users and tokens, and the sessions that are seen and ended here.
enum SessionSchemas {
    static let all: KeyValuePairs<String, Schema> = [
        "Message": .object(["msg": .text]),
        "FieldErrors": .list(
            of: .object(
                [
                    "type": .text, "loc": .list(of: .anything), "msg": .text, "input": .anything,
                    "url": .text,
                ], optional: ["ctx": .anyObject]), least: 1),
        "User": .object(["extra": .anything, "id": .integer(0), "image": .text.orNull, "roles": .anything, "username": .text]),
        "SimplifiedUser": .object(["firstname": .anything, "id": .integer(0), "username": .text]),
        "Tokens": .object(["accesstoken": token, "maxage": .integer(1), "msg": .text, "refreshtoken": token]),
        "Session": .object([
            "id": .text, "user": .object(["id": .integer(0), "username": .text]), "device": .text, "user_agent": .text, "address": .text,
            "created": .integer(0), "last_seen": .integer(0), "current": .boolean,
        ]),
    ]

    private static let token = Schema.text(pattern: "^[^.]+\\.[^.]+\\.[^.]+$")

    // What the routes take and answer.

    static let login = form(Sessions.loginFields, isOpen: true)
    static let profile = form(Sessions.profileFields)
    static let deletion = form(Sessions.deletionFields)

    private static func form(_ fields: [FormField], isOpen: Bool = false) -> Schema {
        func members(_ isRequired: Bool) -> [(key: String, value: Schema)] {
            fields.filter { $0.isRequired == isRequired }.map { ($0.name, schema(of: $0.kind)) }
        }
        return .object(members: members(true), optional: members(false), isOpen: isOpen)
    }

    private static func schema(of kind: FormField.Kind) -> Schema {
        switch kind {
        case .text: .text
        case .integer: .integer()
        case .texts: .list(of: .text)
        }
    }

    static let users = Schema.object([
        "settings": .object([:], optional: ["enableGuest": .boolean, "usersOnLogin": .boolean]),
        "users": .either(.list(of: .named("User")), .list(of: .named("SimplifiedUser"))),
    ])
    static let firstUser = Schema.object(["user": .named("User"), "userhome": .text])

    /// What a route refuses itself, beside what access brings, in swingmusic's shape.
    /// - Parameter words: of statuses that mean something else there than elsewhere.
    static func refusals(_ statuses: [Int], _ words: [Int: String] = [:]) -> [DescribedAnswer] {
        (statuses + words.keys + [503]).map { status in
            let body = status == 422 ? Schema.either(.named("Message"), .named("FieldErrors")) : .named("Message")
            return .json(status, words[status] ?? refusal[status] ?? "Refused.", body, headers: DescribedHeader.always(with: status))
        }
    }

    private static let refusal = [
        400: "Not as things are; the message says why.", 403: "Not for this user.", 404: "There is no such user or session.",
        422: "A parameter or a body that cannot be read.", 429: "Too many wrong guesses from this address.",
        502: "swingmusic does not answer.", 503: "The sessions cannot be read or written, or the server is busy.",
        504: "swingmusic did not answer in time.",
    ]

    static func message(_ about: String, _ headers: [DescribedHeader]) -> DescribedAnswer {
        .json(200, about, .named("Message"), headers: headers)
    }

    /// The change was checked here; swingmusic has carried it out and answered.
    static func handedOn(_ schema: Schema) -> DescribedAnswer {
        .json(200, "Done by swingmusic, whose answer this is.", schema, headers: [.setCookie])
    }

    static let verifications: [DescribedAnswer] = [
        DescribedAnswer(204, "It may.", headers: [.userID, .userName, .roles, .setCookie]),
        .json(403, "The user is without the role, or there is an admin already.", .named("Message"), headers: [.setCookie]),
    ]

    // The page of one's devices.

    static let devicesPage = [
        .page(200, "HTML that loads nothing from elsewhere.", [.setCookie]), pageUnavailable,
    ]
    static let devicesChanged = [
        DescribedAnswer(303, "Done: the page is to be loaded anew.", headers: [.location, .setCookie]),
        .page(400, "The form asks for nothing that there is."),
        .page(403, "Not from this server's own page, or from one that was made for another session.", [.setCookie]), pageUnavailable,
    ]

    private static let pageUnavailable = DescribedAnswer(
        503, "The sessions cannot be checked or written, or the server is busy.",
        content: [("text/html", .text), ("application/json", .named("Message"))], headers: DescribedHeader.always(with: 503))
}
