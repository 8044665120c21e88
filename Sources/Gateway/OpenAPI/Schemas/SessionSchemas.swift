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
