/// What a token is good for. Everything that does not say `refresh` is good for normal routes.
enum TokenKind: Int, Sendable {
    case access = 0
    case refresh = 1

    var name: String { self == .refresh ? "refresh" : "access" }
}
