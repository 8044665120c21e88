/// `/auth/` as the document describes it.
enum AuthPaths {
    static let described = DescribedFamily(
        prefix: "/auth/", tag: "auth",
        about: """
            swingmusic's session routes, answered in its stead, and those by which sessions are seen, ended and asked about. They need \
            SWINGMUSIC_CONFIG_DIR; without it all are 503, verify 403. As with swingmusic, a path or method that is none is 401 without a \
            token, GET of a path that only takes other methods is 404, and OPTIONS is 200 and empty everywhere. What is described nowhere here is \
            handed on to swingmusic, with the token alone, for who has a session.
            """,
        paths: [
            DescribedPath(
                "login",
                change(
                    .post, "login", "Sign in.", AuthRoute.login.access, .json(200, "Signed in.", .named("Tokens"), headers: [.setCookie]),
                    [404, 429],
                    body: .json(login, example: ["username": "anna", "password": "secret"]))),
            DescribedPath(
                "logout",
                read(
                    "logout", "End the session and forget the cookie.", AuthRoute.logout.access,
                    message("Logged out, also without a session.", [.setCookie]), [403])),
            DescribedPath(
                "refresh",
                change(
                    .post, "refresh", "Two new tokens of the same session.", AuthRoute.refresh.access,
                    .json(200, "The tokens.", .named("Tokens")),
                    [])),
            DescribedPath("user", read("user", "Who one is.", AuthRoute.user.access, .json(200, "The user.", .named("User")), [])),
            DescribedPath(
                "users",
                read(
                    "users", "Who may sign in.", AuthRoute.users.access, .json(200, "What the caller may see of it.", users), [],
                    [simplified])),
            DescribedPath(
                "getpaircode",
                read(
                    "pairCode", "A code for signing in on another device, good for ten minutes.", AuthRoute.pairCode.access,
                    .json(200, "The code.", .object(["code": .text(least: 6, most: 6)])), [403])),
            DescribedPath(
                "pair",
                read(
                    "pair", "Redeem a code, once.", AuthRoute.pair.access,
                    .json(200, "Tokens of a new session, the device's own.", .named("Tokens")), [400, 429], [code])),
            DescribedPath("verify", verify),
            DescribedPath(
                "sessions",
                read(
                    "sessions", "One's own sessions; for admins anybody's.", AuthRoute.sessions.access,
                    .json(200, "Open sessions, times in seconds since 1970.", .object(["sessions": .list(of: .named("Session"))])),
                    [403], [whose]),
                change(
                    .delete, "endSessions", "End all of one's own but this one.", AuthRoute.sessions.access,
                    .json(200, "Ended.", .object(["ended": .integer(0), "msg": .text])), [400])),
            DescribedPath(
                "sessions/{id}",
                change(
                    .delete, "endSession", "End one of one's own sessions; for admins anybody's.", AuthRoute.session("").access,
                    message("Ended.", [.setCookie]), [400, 404], [session])),
            DescribedPath("devices", devices, changeDevices),
            DescribedPath(
                "profile/create",
                change(
                    .post, "createUser", "Add a user.", AuthRoute.createUser.access, handedOn(.either(.named("User"), firstUser)), [400],
                    body: .json(profile, example: ["username": "bert", "password": "secret"]))),
            DescribedPath(
                "profile/guest/create",
                change(
                    .post, "createGuest", "Add the guest. Admins alone.", AuthRoute.createGuest.access, handedOn(.named("Message")), [400])),
            DescribedPath(
                "profile/update",
                change(
                    .put, "updateUser", "Change a user. Others than oneself, and roles, admins alone.", AuthRoute.updateProfile.access,
                    handedOn(.named("User")), [400], body: .json(profile, example: ["password": "secret"]))),
            DescribedPath(
                "profile/delete",
                change(
                    .delete, "deleteUser", "Remove a user. Admins alone.", AuthRoute.deleteUser.access, handedOn(.named("Message")), [400],
                    body: .json(deletion, example: ["username": "bert"]))),
        ],
        schemas: SessionSchemas.all)

    private static let simplified = DescribedParameter.query("simplified", "Names alone.", .boolean)
    private static let code = DescribedParameter.query("code", "What getpaircode gave.", .text(most: 100), isRequired: true)
    private static let whose = DescribedParameter.query(
        "user", "Of whom: a user's id, or `all`; oneself when left out.", .text(pattern: "^([0-9]{1,9}|all)$"))
    private static let session = DescribedParameter.path(
        "id", "The session's id, as the list has it.", .text(pattern: "^[0-9A-Za-z_-]{1,64}$"), example: "nobodys-session")

    private static let login = Schema.object(["username": .text, "password": .text], isOpen: true)
    private static let profile = Schema.object(
        [:], optional: ["id": .integer(), "username": .text, "password": .text, "roles": .list(of: .text), "email": .text])
    private static let deletion = Schema.object(["username": .text])
    private static let users = Schema.object([
        "settings": .object([:], optional: ["enableGuest": .boolean, "usersOnLogin": .boolean]),
        "users": .either(.list(of: .named("User")), .list(of: .named("SimplifiedUser"))),
    ])

    /// The change was checked here; swingmusic has carried it out and answered.
    private static func handedOn(_ schema: Schema) -> DescribedAnswer {
        .json(200, "Done by swingmusic, whose answer this is.", schema, headers: [.setCookie])
    }
    private static let firstUser = Schema.object(["user": .named("User"), "userhome": .text])

    private static func message(_ about: String, _ headers: [DescribedHeader]) -> DescribedAnswer {
        .json(200, about, .named("Message"), headers: headers)
    }

    private static func read(
        _ id: String, _ summary: String, _ access: Access, _ success: DescribedAnswer, _ more: [Int],
        _ parameters: [DescribedParameter] = []
    ) -> DescribedOperation {
        DescribedOperation(
            method: .get, id: id, summary: summary, access: access, parameters: parameters,
            answers: [success] + refusals([401, 422] + more))
    }

    private static func change(
        _ method: DescribedOperation.Method, _ id: String, _ summary: String, _ access: Access, _ success: DescribedAnswer, _ more: [Int],
        _ parameters: [DescribedParameter] = [], body: DescribedBody? = nil
    ) -> DescribedOperation {
        DescribedOperation(
            method: method, id: id, summary: summary, access: access, parameters: parameters, body: body,
            answers: [success] + refusals([401, 403, 422] + more + (body == nil ? [] : [413])))
    }

    private static func refusals(_ statuses: [Int]) -> [DescribedAnswer] {
        (statuses + [503]).sorted().map { status in
            let body = status == 422 ? Schema.either(.named("Message"), .named("FieldErrors")) : .named("Message")
            return .json(status, refusal[status] ?? "Refused.", body, headers: DescribedHeader.always(with: status))
        }
    }

    private static let refusal = [
        400: "Not as things are; the message says why.", 401: "No token, one that is no good, or a wrong password.",
        403: "Not for this user, or not from a page of another site.", 404: "There is no such user or session.", 413: "A body over 64 KiB.",
        422: "A token or a body that cannot be read.", 429: "Too many wrong guesses from this address.",
        503: "The sessions cannot be checked or written, or too many logins are under way.",
    ]

    private static let verify = DescribedOperation(
        method: .get, id: "verify", summary: "May this request pass? For nginx's auth_request.",
        about: """
            Answers any method as it answers GET: nginx asks with the method of the request that it asks about. A method that changes \
            something must not come from a page of another site.
            """,
        access: AuthRoute.verify.access,
        parameters: [
            .query("role", "A role that the user must have.", .text(most: 100), example: "admin"),
            .query("first", "Instead: may the first admin be made? Whoever asks, as long as there is none.", .text(most: 1), example: "1"),
        ],
        answers: [
            DescribedAnswer(204, "It may.", headers: [.userID, .userName, .roles, .setCookie]),
            .json(401, "No token, or one that is no good.", .named("Message"), headers: [.authenticate]),
            .json(
                403, "Without the role; from a page of another site; or the sessions cannot be checked.", .named("Message"),
                headers: [.setCookie]),
        ])
}

extension AuthPaths {
    fileprivate static let devices = DescribedOperation(
        method: .get, id: "devices", summary: "One's own sessions, as a page for people.", access: AuthRoute.devices.access,
        answers: [page(200, "HTML that loads nothing from elsewhere.", [.setCookie]), page(401, "Nobody is signed in."), pageUnavailable])

    fileprivate static let changeDevices = DescribedOperation(
        method: .post, id: "changeDevices", summary: "What the forms of that page do.",
        about: """
            Ends the session named in `session`, all others of one's own (`end-others`), or this one (`sign-out`). It takes a browser's \
            `Origin` that is this server's own, scheme, host and port, and the `proof` that the page was given for this session.
            """,
        access: AuthRoute.devices.access,
        body: DescribedBody(
            type: "application/x-www-form-urlencoded",
            schema: .object(["action": .oneOf(["end", "end-others", "sign-out"]), "proof": .text], optional: ["session": .text])),
        answers: [
            DescribedAnswer(303, "Done: the page is to be loaded anew.", headers: [.location, .setCookie]),
            page(400, "The form asks for nothing that there is."), page(401, "Nobody is signed in."),
            page(403, "Not from this server's own page, or from one that was made for another session.", [.setCookie]),
            .json(413, "A body over 64 KiB.", .named("Message")), pageUnavailable,
        ])

    private static func page(_ status: Int, _ about: String, _ headers: [DescribedHeader] = []) -> DescribedAnswer {
        DescribedAnswer(status, about, content: [("text/html", .text)], headers: headers + DescribedHeader.always(with: status))
    }

    private static let pageUnavailable = DescribedAnswer(
        503, "The sessions cannot be checked or written, or the server is busy.",
        content: [("text/html", .text), ("application/json", .named("Message"))], headers: DescribedHeader.always(with: 503))
}

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
}
